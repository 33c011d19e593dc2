import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors.ts';
import { TargetHealth } from '../../src/upstream/health/target-health.ts';
import { whenRecovered } from '../../src/upstream/pause.ts';

const options = {
  breaker: { errorThresholdPercentage: 50, volumeThreshold: 2, resetTimeoutMs: 1_000, maxEjectionMs: 9_000 },
  budget: { ratio: 0.2, floor: 3, windowMs: 60_000 },
  maxCoolDownMs: 1_000,
  unpaidMs: 1_000,
};

/** A target that is left alone, and a request that waits for it. */
function createOpened(bounds = { most: 2, mostWaitMs: 5_000, isBatch: false }) {
  const runtime = createVirtualRuntime();
  const health = new TargetHealth('one', options, runtime, () => []);
  for (let turn = 0; turn < 2; turn++) health.breaker.failed(runtime.monotonicMs(), false);
  const caller = new AbortController();
  const settled: string[] = [];
  const wait = () =>
    whenRecovered(
      health,
      bounds,
      () => new GatewayError('no_target_available', 'x'),
      runtime,
      caller.signal,
      {
        end: undefined,
      },
    ).then(
      () => settled.push('woken'),
      (error: unknown) => settled.push(error instanceof GatewayError ? error.code : 'left'),
    );
  return { runtime, health, caller, settled, wait };
}

describe('a request that waits for a target to recover', () => {
  it('is woken when the target may be probed, and not before', async () => {
    const { runtime, health, settled, wait } = createOpened();
    void wait();
    const dueMs = health.breaker.waitMs(runtime.monotonicMs());
    await runtime.advanceAsync(dueMs - 1);
    expect(settled).toEqual([]);
    await runtime.advanceAsync(1);
    expect(settled).toEqual(['woken']);
  });

  it('is woken by the end of a probe, whatever it came to', async () => {
    for (const isWell of [true, false]) {
      const { runtime, health, settled, wait } = createOpened();
      runtime.advance(1_000);
      health.breaker.beginProbe();
      void wait();
      await runtime.advanceAsync(100);
      expect(settled).toEqual([]);
      health.probed(isWell);
      await runtime.advanceAsync(0);
      expect(settled).toEqual(['woken']);
    }
  });

  it('does not wait for a target that has recovered since it was chosen, or may be probed', async () => {
    const { runtime, health, settled, wait } = createOpened();
    runtime.advance(1_000);
    await wait();
    health.breaker.beginProbe();
    health.probed(true);
    await wait();
    expect(settled).toEqual(['woken', 'woken']);
  });

  it('is refused when as many wait as may, and forgotten when its caller leaves', async () => {
    const { runtime, health, caller, settled, wait } = createOpened();
    void wait();
    void wait();
    await wait();
    expect(settled).toEqual(['no_target_available']);
    caller.abort('left');
    await runtime.advanceAsync(0);
    expect(settled).toEqual(['no_target_available', 'left', 'left']);
    health.recovery.wakeAll();
    await runtime.advanceAsync(9_000);
    expect(settled).toHaveLength(3);
  });
});
