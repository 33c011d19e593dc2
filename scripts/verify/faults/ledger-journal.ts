import type { LedgerScope, ScopeState } from '../../../src/limits/ledger.ts';
import type { Runtime } from '../../../src/runtime.ts';
import { createMemoryLedger, type MemoryLedger } from '../../../src/stores/memory/memory-ledger.ts';

/** A ledger that can be asked what became of everything that was held. */
export interface LedgerJournal {
  readonly ledger: MemoryLedger;
  /** Reservations that were granted. */
  readonly granted: number;
  /** Granted, and not settled yet. */
  readonly open: number;
  /** Settled more than once. */
  readonly settledTwice: number;
  /** Scopes as they are now, of all that was ever asked for. */
  states(): readonly ScopeState[];
  /** What was settled of the last reservations, by the order of their scopes. */
  readonly settled: ReadonlyMap<string, readonly number[]>;
}

const maxSettled = 10_000;

/** A memory ledger with a journal of what is asked of it. */
export function createLedgerJournal(runtime: Runtime): LedgerJournal {
  const inner = createMemoryLedger(runtime);
  const scopesByKey = new Map<string, LedgerScope>();
  const open = new Set<string>();
  const settled = new Map<string, readonly number[]>();
  let granted = 0;
  let settledTwice = 0;
  return {
    ledger: {
      ...inner,
      reserve(id, scopes, leaseMs) {
        for (const scope of scopes) scopesByKey.set(scope.key, scope);
        const result = inner.reserve(id, scopes, leaseMs);
        if (result.kind === 'granted') {
          granted++;
          open.add(id);
        }
        return result;
      },
      settle(id, used) {
        if (!open.delete(id)) settledTwice++;
        settled.set(id, [...used]);
        if (settled.size > maxSettled) settled.delete(settled.keys().next().value as string);
        inner.settle(id, used);
      },
    },
    get granted() {
      return granted;
    },
    get open() {
      return open.size;
    },
    get settledTwice() {
      return settledTwice;
    },
    states: () => inner.peek([...scopesByKey.values()]),
    settled,
  };
}
