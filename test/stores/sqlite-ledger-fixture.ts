import { createRuntime, type Runtime } from '../../src/runtime.ts';
import type { SqliteLedgerOptions } from '../../src/stores/sqlite/sqlite-ledger-options.ts';
import {
  createSqliteStores,
  type SqliteStores,
  type SqliteStoresOptions,
} from '../../src/stores/sqlite/sqlite-stores.ts';
import { noDeadlineMs } from '../eventually.ts';
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
  const patient = { deadlineMs: noDeadlineMs, ...ledger };
  const stores = createSqliteStores({ file, pollMs: 5, reopenMs: 10, ...options, ledger: patient });
  atEnd(() => stores.close());
  return stores;
}
