import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { atEnd, killTwo, type LoadedStore } from './ledger-load.ts';
import { newFile, withDatabase } from './sqlite-fixture.ts';
import { openStores } from './sqlite-ledger-fixture.ts';
import { scope } from './sqlite-ledger-scope.ts';

async function start(): Promise<LoadedStore> {
  const file = newFile();
  const { ledger, migrate } = openStores(file);
  await migrate();
  // a ledger that has reserved sweeps by itself
  await ledger.reserve('one', [scope('other', 1, 0)], 60_000);
  const database = new DatabaseSync(file, { readOnly: true, timeout: 60_000 });
  atEnd(async () => database.close());
  const read = database.prepare(
    "SELECT max(used + held) AS most FROM headgate_ledger_buckets WHERE (scope = 'slots') = ?",
  );
  return {
    backend: 'sqlite',
    place: { file },
    ledger,
    sample: async () => ({ most: Number(read.get(0)?.most ?? 0), slots: Number(read.get(1)?.most ?? 0) }),
    async check() {
      const held = 'SELECT scope FROM headgate_ledger_buckets WHERE held > 0';
      expect(withDatabase(file, (opened) => opened.prepare(held).all())).toEqual([]);
    },
  };
}

describe('the SQLite ledger under 4 processes with 16 clients each', () => {
  it('never exceeds a limit, counts each reservation once, and frees what two killed processes held', async () => {
    const load = { rounds: 150, leaseMs: 2_000, amount: 40_000, slots: 1_000, deadlineMs: 60_000 };
    await killTwo(await start(), { clients: 16, ...load });
  }, 300_000);
});
