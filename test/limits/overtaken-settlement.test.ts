import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createLeasingLedger } from '../../src/limits/leasing/leasing-ledger.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { createNetwork, scopeOf } from './leasing-network.ts';

/** A node whose settlements are on their way for longer than its questions, as on another connection to the store. */
function createFixture({ settlingMs }: { settlingMs: number }) {
  const runtime = createVirtualRuntime();
  const shared = createMemoryLedger(runtime);
  const questions = createNetwork(runtime, shared);
  const settlements = createNetwork(runtime, shared, () => settlingMs);
  const ledger = createLeasingLedger({
    shared: { ...questions.ledger, settle: settlements.ledger.settle },
    runtime,
  });
  const reserve = async (id: string, hold = 1) => ledger.reserve(id, [scopeOf('k', 10, hold)], 60_000);
  /** What is granted, denied or undecided of `asking` after `ms`. */
  const kindsAfter = async (ms: number, asking: readonly ReturnType<typeof reserve>[]) => {
    const kinds: string[] = asking.map(() => 'undecided');
    asking.forEach((asked, index) => {
      void asked.then(({ kind }) => {
        kinds[index] = kind;
      });
    });
    await runtime.advanceAsync(ms);
    return kinds;
  };
  return { ledger, reserve, kindsAfter, calls: questions.calls };
}

describe('a leasing ledger whose question overtakes its settlement', () => {
  it('denies nothing that fits in what it has given back itself', async () => {
    const { ledger, reserve, kindsAfter, calls } = createFixture({ settlingMs: 3 });
    expect(await kindsAfter(5, [reserve('ended', 10)])).toEqual(['granted']);
    ledger.settle('ended', [4]);
    const asking = [reserve('next', 6)];
    expect(await kindsAfter(10, asking)).toEqual(['granted']);
    // once too early, and once when the settlement has arrived
    expect(calls.reserve).toBe(3);
  });

  it('denies what does not fit in it either, without another question', async () => {
    const { ledger, reserve, kindsAfter, calls } = createFixture({ settlingMs: 3 });
    expect(await kindsAfter(5, [reserve('ended', 10)])).toEqual(['granted']);
    ledger.settle('ended', [4]);
    expect(await kindsAfter(2, [reserve('large', 7)])).toEqual(['denied']);
    expect(calls.reserve).toBe(2);
  });

  it('decides what waits behind it with few questions, and admits exactly what fits', async () => {
    const { ledger, reserve, kindsAfter, calls } = createFixture({ settlingMs: 3 });
    expect(await kindsAfter(5, [reserve('ended', 10)])).toEqual(['granted']);
    ledger.settle('ended', [4]);
    const asking = Array.from({ length: 100 }, (_, index) => reserve(`r${index}`, 2));
    const kinds = await kindsAfter(50, asking);
    expect(kinds.filter((kind) => kind === 'granted')).toHaveLength(3);
    expect(kinds.filter((kind) => kind === 'denied')).toHaveLength(97);
    expect(calls.reserve).toBeLessThan(10);
  });

  it('waits for a settlement no longer than for one answer, and denies then', async () => {
    const { ledger, reserve, kindsAfter, calls } = createFixture({ settlingMs: 100_000 });
    expect(await kindsAfter(5, [reserve('ended', 10)])).toEqual(['granted']);
    ledger.settle('ended', [4]);
    const asking = [reserve('next', 6)];
    expect(await kindsAfter(200, asking)).toEqual(['undecided']);
    expect(await kindsAfter(60, asking)).toEqual(['denied']);
    expect(calls.reserve).toBe(3);
  });
});
