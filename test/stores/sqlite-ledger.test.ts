import { describe } from 'vitest';
import { noDeadlineMs } from '../eventually.ts';
import { contractOfLedger, type OpenLedgerHarness } from './ledger-contract.ts';
import { newFile, withDatabase } from './sqlite-fixture.ts';
import { createSettableRuntime, openStores } from './sqlite-ledger-fixture.ts';

const tables = ['clock', 'buckets', 'reservations'];

async function createHarness(durable: boolean): Promise<OpenLedgerHarness> {
  const file = newFile();
  const runtime = createSettableRuntime();
  const open = () => openStores(file, { deadlineMs: noDeadlineMs, durable }, { runtime });
  const first = open();
  await first.migrate();
  return {
    ledger: first.ledger,
    second: () => open().ledger,
    now: () => runtime.now(),
    advance: (ms) => runtime.move(ms),
    deadlineMs: noDeadlineMs,
    // ten times the default: what is swept late on a busy machine is no fault
    sweepMs: 20_000,
    async breakStore() {
      const rename = (from: string, to: string) =>
        withDatabase(file, (database) => {
          for (const table of tables) database.exec(`ALTER TABLE ${from}${table} RENAME TO ${to}${table}`);
        });
      rename('headgate_ledger_', 'lost_');
      return () => rename('lost_', 'headgate_ledger_');
    },
  };
}

const without = {
  freeze:
    'no server can stop answering: a disk that hangs stops the process itself, and a held lock is tested apart',
};

describe('the SQLite ledger', () => {
  contractOfLedger(() => createHarness(false), without);
});

describe('the SQLite ledger that waits for the disk', () => {
  contractOfLedger(() => createHarness(true), without, 300_000);
});
