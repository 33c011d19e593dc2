import { describe, expect, it } from 'vitest';
import { createUseRecorder, type UseRecorderOptions } from '../../src/keys/use-recorder.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createPlainKeyStore } from './plain-key-store.ts';

function createSite(options: Partial<UseRecorderOptions> = {}) {
  const runtime = createVirtualRuntime();
  const plain = createPlainKeyStore();
  const errors: unknown[] = [];
  const recorder = createUseRecorder({
    store: plain.store,
    runtime,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { runtime, ...plain, recorder, errors, startMs: runtime.now() };
}

describe('a use recorder', () => {
  it('writes the last use of each key, whichever secret it came with, a minute later and not before', async () => {
    const { recorder, runtime, uses, startMs } = createSite();
    for (let time = 0; time < 1_000; time++) recorder.note({ kid: 'a' }, false);
    runtime.advance(10);
    recorder.note({ kid: 'a' }, false);
    recorder.note({ kid: 'a' }, true);
    recorder.note({ kid: 'b' }, false);
    await runtime.advanceAsync(59_989);
    expect(uses).toEqual([]);
    await runtime.advanceAsync(12_001);
    expect(uses).toEqual([
      [
        { kid: 'a', usedAtMs: startMs + 10, previous: false },
        { kid: 'b', usedAtMs: startMs + 10, previous: false },
        { kid: 'a', usedAtMs: startMs + 10, previous: true },
      ],
    ]);
  });

  it('writes about a key in steady use at most once a minute, at changing distances', async () => {
    const { recorder, runtime, uses } = createSite();
    const writtenAtMs: number[] = [];
    for (let step = 0; step < 3_600; step++) {
      recorder.note({ kid: 'a' }, false);
      await runtime.advanceAsync(1_000);
      if (uses.length > writtenAtMs.length) writtenAtMs.push(runtime.monotonicMs());
    }
    const gaps = writtenAtMs.slice(1).map((atMs, index) => atMs - (writtenAtMs[index] as number));
    expect(gaps.length).toBeGreaterThan(45);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(74_000);
    expect(new Set(gaps).size).toBeGreaterThan(3);
  });

  it('sets no timer while nothing is used', async () => {
    const { recorder, runtime } = createSite();
    expect(runtime.pending).toBe(0);
    recorder.note({ kid: 'a' }, false);
    expect(runtime.pending).toBe(1);
    await runtime.advanceAsync(72_000);
    expect(runtime.pending).toBe(0);
  });

  it('keeps what a failed write held for the next one, newer uses first', async () => {
    const { recorder, runtime, uses, faults, errors, startMs } = createSite();
    faults.error = new Error('down');
    recorder.note({ kid: 'a' }, false);
    recorder.note({ kid: 'b' }, false);
    await runtime.advanceAsync(72_000);
    expect(errors).toEqual([faults.error]);
    recorder.note({ kid: 'a' }, false);
    faults.error = undefined;
    await runtime.advanceAsync(72_000);
    expect(uses.length).toBe(1);
    expect(new Map(uses[0]?.map(({ kid, usedAtMs }) => [kid, usedAtMs - startMs]))).toEqual(
      new Map([
        ['a', 72_000],
        ['b', 0],
      ]),
    );
  });

  it('writes 1,000 at a time and remembers at most maxPending', async () => {
    const { recorder, uses } = createSite({ maxPending: 2_500 });
    for (let index = 0; index < 4_000; index++) recorder.note({ kid: `k${index}` }, false);
    await recorder.flush();
    expect(uses.map((batch) => batch.length)).toEqual([1_000, 1_000, 500]);
  });

  it('writes once more when it is closed, and notes nothing afterwards', async () => {
    const { recorder, runtime, uses } = createSite();
    recorder.note({ kid: 'a' }, false);
    await recorder.close();
    expect(uses.length).toBe(1);
    recorder.note({ kid: 'a' }, false);
    await recorder.close();
    await runtime.advanceAsync(100_000);
    expect([uses.length, runtime.pending]).toEqual([1, 0]);
  });

  it('is closed also when the store fails', async () => {
    const { recorder, runtime, faults, errors } = createSite();
    faults.error = new Error('down');
    recorder.note({ kid: 'a' }, false);
    await recorder.close();
    expect([errors.length, runtime.pending]).toEqual([1, 0]);
  });

  it('costs nothing for a store that notes no uses', async () => {
    const { recorder, runtime } = createSite({ store: {} });
    recorder.note({ kid: 'a' }, false);
    expect(runtime.pending).toBe(0);
    await recorder.close();
  });

  it.each([
    ['"flushMs"', { flushMs: 0 }],
    ['"maxPending"', { maxPending: 0.5 }],
  ])('cannot be made with a bad %s', (option, change) => {
    expect(() => createSite(change)).toThrow(option);
  });
});
