import type { LedgerScope, Span } from '../../src/limits/ledger.ts';
import { createRuntime, type Runtime } from '../../src/runtime.ts';
import type { SqliteLedgerOptions } from '../../src/stores/sqlite/sqlite-ledger-options.ts';
import {
  createSqliteStores,
  type SqliteStores,
  type SqliteStoresOptions,
} from '../../src/stores/sqlite/sqlite-stores.ts';
import { atEnd } from './sqlite-fixture.ts';

/** The runtime of the process with a clock that can be set. Timers and durations are real. */
export function createSettableRuntime(): Runtime & { move(ms: number): void } {
  let offsetMs = 0;
  return {
    ...createRuntime(),
    now: () => Date.now() + offsetMs,
    move(ms) {
      offsetMs += ms;
    },
  };
}

/** Stores with a ledger, closed when the test has ended. */
export function openStores(
  file: string,
  ledger: SqliteLedgerOptions = {},
  options: Partial<SqliteStoresOptions> = {},
): SqliteStores {
  const stores = createSqliteStores({ file, pollMs: 5, reopenMs: 10, ledger, ...options });
  atEnd(() => stores.close());
  return stores;
}

export const forever: Span = {
  bucket: 0,
  buckets: [0],
  fromMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  forgetMs: Number.POSITIVE_INFINITY,
};

/** A lifetime scope that blocks; when its lease runs out its hold is counted. */
export function scope(key: string, amount: number, hold = 1, charge = hold, span = forever): LedgerScope {
  return { key, amount, hold, charge, mode: 'block', span };
}
