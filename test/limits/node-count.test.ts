import { createMemoryLedger, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createGatewayLedger } from '../../src/limits/gateway-ledger.ts';
import { createNodeCount } from '../../src/limits/node-count.ts';
import { createNetwork, scopeOf } from './leasing-network.ts';

function createFixture() {
  const runtime = createVirtualRuntime();
  const shared = createMemoryLedger(runtime);
  const join = (least = 1) => {
    const network = createNetwork(runtime, shared);
    return { network, nodes: createNodeCount({ ledger: network.ledger, runtime, least }) };
  };
  return { runtime, shared, join };
}

describe('gateways on one ledger', () => {
  it('know how many they are, as each comes and closes', async () => {
    const { runtime, join } = createFixture();
    const [one, two, three] = [join(), join(), join()];
    expect([one, two, three].map(({ nodes }) => nodes.count)).toEqual([1, 1, 1]);
    await runtime.advanceAsync(2_000);
    expect([one, two, three].map(({ nodes }) => nodes.count)).toEqual([3, 3, 3]);
    const four = join();
    await runtime.advanceAsync(6_000);
    expect([one, four].map(({ nodes }) => nodes.count)).toEqual([4, 4]);
    await Promise.all([two.nodes.close(), runtime.advanceAsync(100)]);
    await Promise.all([three.nodes.close(), runtime.advanceAsync(100)]);
    await runtime.advanceAsync(80_000);
    expect([one, four].map(({ nodes }) => nodes.count)).toEqual([2, 2]);
  });

  it('forget one that was killed when its lease has run out', async () => {
    const { runtime, join } = createFixture();
    const [one, two] = [join(), join()];
    await runtime.advanceAsync(10_000);
    two.network.isDead = true;
    await runtime.advanceAsync(50_000);
    expect(one.nodes.count).toBe(2);
    await runtime.advanceAsync(100_000);
    expect(one.nodes.count).toBe(1);
  });

  it('keep the last count while the ledger is away, and while they come back one by one', async () => {
    const { runtime, join } = createFixture();
    const [one, two, three] = [join(), join(), join()];
    await runtime.advanceAsync(10_000);
    for (const { network } of [one, two, three]) network.isCut = true;
    await runtime.advanceAsync(600_000);
    expect(one.nodes.count).toBe(3);
    one.network.isCut = false;
    await runtime.advanceAsync(30_000);
    expect(one.nodes.count).toBe(3);
    two.network.isCut = false;
    three.network.isCut = false;
    await runtime.advanceAsync(120_000);
    expect([one, two, three].map(({ nodes }) => nodes.count)).toEqual([3, 3, 3]);
  });

  it('are never fewer than is known', async () => {
    const { runtime, join } = createFixture();
    const { nodes } = join(4);
    await runtime.advanceAsync(200_000);
    expect(nodes.count).toBe(4);
  });

  it('ask a ledger that does not answer one thing at a time', async () => {
    const { runtime, join } = createFixture();
    const { network, nodes } = join();
    await runtime.advanceAsync(10_000);
    network.frozenUntilMs = runtime.monotonicMs() + 3_600_000;
    const asked = () => network.calls.renew + network.calls.reserve + network.calls.peek;
    const before = asked();
    await runtime.advanceAsync(600_000);
    expect(asked() - before).toBeLessThanOrEqual(1);
    const closing = nodes.close();
    await runtime.advanceAsync(1_000);
    await closing;
  });
});

describe('a degraded limit', () => {
  it('is granted in parts by as many gateways as were last there, all together once', async () => {
    const runtime = createVirtualRuntime();
    const shared = createMemoryLedger(runtime);
    const open = (leasing: boolean) => {
      const network = createNetwork(runtime, shared);
      const gateway = createGatewayLedger({
        given: network.ledger,
        limits: { leasing },
        runtime,
        onEvent: () => undefined,
        onError: () => undefined,
      });
      return { network, gateway };
    };
    const all = [open(false), open(false), open(true), open(false)];
    await runtime.advanceAsync(3_000);
    for (const { network } of all) network.isCut = true;
    const degraded = { ...scopeOf('k', 100, 1), onFailure: 'degraded' as const };
    let granted = 0;
    for (let round = 0; round < 60; round++) {
      for (const [index, { gateway }] of all.entries()) {
        const asking = Promise.resolve(
          (gateway.ledger as Ledger).reserve(`${index} ${round}`, [degraded], 600_000),
        );
        await runtime.advanceAsync(5);
        if ((await asking).kind === 'granted') granted++;
      }
    }
    expect(all.map(({ gateway }) => gateway.health().decisions?.nodes)).toEqual([4, 4, 4, 4]);
    expect(granted).toBe(100);
  });
});
