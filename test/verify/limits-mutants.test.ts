import type { Ledger, LedgerScope } from 'headgate';
import { createMemoryLedger } from 'headgate';
import { afterEach, describe, expect, it } from 'vitest';
import { judge } from '../../scripts/verify/limits/judge.ts';
import { play } from '../../scripts/verify/limits/play.ts';
import { startSmallStage } from '../../scripts/verify/limits/stage-in-process.ts';
import { createUndo } from '../../scripts/verify/propagation/undo.ts';
import { createRuntime } from '../../src/runtime.ts';

let undo = createUndo();
afterEach(async () => {
  await undo.run();
  undo = createUndo();
});

const amounts = {
  tokensOfWindow: 100_000,
  requestsOfWindow: 400,
  tokensOfKey: 4_000,
  usd: 2,
  parallel: 12,
};

/** What fails of a small run over a ledger that is wrong in one way. */
async function failuresOf(breakLedger: (ledger: Ledger) => Ledger): Promise<string[]> {
  const ledger = createMemoryLedger(createRuntime());
  const seen = breakLedger(ledger);
  const stage = await startSmallStage(ledger, seen, { nodes: 4, clients: 10, amounts, enough: 600 }, undo);
  const result = await play(stage, { loadMs: 1_800, killsMs: [1_000, 1_500], freeze: undefined });
  return judge('small', result, false, { reservations: 100, replies: 20 })
    .filter(({ verdict }) => verdict === 'FAIL')
    .map(({ what }) => what.replace('small: ', ''));
}

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The methods of a ledger, which some of its callers replace. */
const toParts = ({ nowMs, reserve, renew, settle, peek }: Ledger): Ledger => ({
  nowMs,
  reserve,
  renew,
  settle,
  peek,
});

const isFull = (ledger: Ledger, scopes: readonly LedgerScope[]) => {
  const states = ledger.peek(scopes) as Awaited<ReturnType<Ledger['peek']>>;
  return states.some(({ used, held, amount }, index) => {
    const { mode, hold } = scopes[index] as LedgerScope;
    return mode === 'block' && used + held + hold > amount;
  });
};

describe('the verification of limits', { timeout: 300_000 }, () => {
  it('passes a ledger that is right', async () => {
    expect(await failuresOf(toParts)).toEqual([]);
  });

  it('fails a ledger that reads first and writes later', async () => {
    const failures = await failuresOf((ledger) => ({
      ...toParts(ledger),
      async reserve(id, scopes, leaseMs) {
        if (isFull(ledger, scopes)) return ledger.reserve(id, scopes, leaseMs);
        await pause();
        return ledger.reserve(
          id,
          scopes.map((scope) => ({ ...scope, mode: 'count' as const })),
          leaseMs,
        );
      },
    }));
    expect(failures).toContain('used + held beyond a limit, at every sample');
    expect(failures).toContain('used + held beyond a limit, by the journals');
  });

  it('fails a ledger that takes a repeated id for a new one', async () => {
    let count = 0;
    const failures = await failuresOf((ledger) => ({
      ...toParts(ledger),
      reserve(id, scopes, leaseMs) {
        // the first keeps its id, so that it can be settled
        const known = seen.has(id);
        seen.add(id);
        return ledger.reserve(known ? `${id} ${count++}` : id, scopes, leaseMs);
      },
    }));
    expect(failures).toContain('sums that differ, as each ended');
  });

  it('fails a ledger that settles a second time', async () => {
    let count = 0;
    const failures = await failuresOf((ledger) => {
      const settled = new Map<string, readonly LedgerScope[]>();
      return {
        ...toParts(ledger),
        reserve(id, scopes, leaseMs) {
          settled.set(id, scopes);
          return ledger.reserve(id, scopes, leaseMs);
        },
        async settle(id, used) {
          const scopes = settled.get(id);
          const isFirst = await ledger.renew(id, 60_000);
          await ledger.settle(id, used);
          if (isFirst || !scopes) return;
          const again = `${id} again ${count++}`;
          await ledger.reserve(
            again,
            scopes.map((scope) => ({ ...scope, hold: 0, mode: 'count' as const })),
            60_000,
          );
          await ledger.settle(again, used);
        },
      };
    });
    expect(failures).toContain('sums that differ, as each ended');
  });

  it('fails a ledger whose leases never end', async () => {
    const failures = await failuresOf((ledger) => ({
      ...toParts(ledger),
      reserve: (id, scopes) => ledger.reserve(id, scopes, 3_600_000),
      renew: (id, _leaseMs, charges) => ledger.renew(id, 3_600_000, charges),
    }));
    expect(failures).toContain('held after lease and sweep');
  });

  it('fails a ledger that denies what would fit', async () => {
    const failures = await failuresOf((ledger) => ({
      ...toParts(ledger),
      reserve: (id, scopes, leaseMs) =>
        ledger.reserve(
          id,
          scopes.map((scope) => ({ ...scope, amount: Math.floor(scope.amount / 2) })),
          leaseMs,
        ),
    }));
    expect(failures).toContain('needless denials');
  });
});

const seen = new Set<string>();
