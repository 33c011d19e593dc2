import { renameSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Stores } from '../../src/stores/stores.ts';
import { configStoreContract } from '../../src/testing/contracts/config-store.ts';
import { keyStoreContract } from '../../src/testing/contracts/key-store.ts';
import { secretStoreContract } from '../../src/testing/contracts/secret-store.ts';
import type { StoreCase, StoreHarness } from '../../src/testing/contracts/store-case.ts';
import {
  toKeyStoreHarness,
  writableKeyStoreContract,
} from '../../src/testing/contracts/writable-key-store.ts';
import { noDeadlineMs, patienceMs } from '../eventually.ts';
import { holdLock, newFile, open, withDatabase } from './sqlite-fixture.ts';

const frozen =
  'no server can stop answering: a disk that hangs stops the process itself, and a held write lock is tested apart';

/** Some cases wait thousands of times for the disk, which others may be using too. */
const patience = { timeout: 300_000 };

const tables = ['keys', 'config', 'secrets', 'changes', 'stamps'];

async function createHarness<Store>(pick: (stores: Stores) => Store): Promise<StoreHarness<Store>> {
  const file = newFile();
  const stores = open(file);
  await stores.migrate();
  return {
    store: pick(stores),
    second: () => pick(open(file)),
    deadlineMs: noDeadlineMs,
    patienceMs,
    async breakStore() {
      const rename = (from: string, to: string) =>
        withDatabase(file, (database) => {
          for (const table of tables) database.exec(`ALTER TABLE ${from}${table} RENAME TO ${to}${table}`);
        });
      rename('headgate_', 'lost_');
      await new Promise((resolve) => setTimeout(resolve, 50));
      return () => rename('lost_', 'headgate_');
    },
    // somebody else holds the lock for a while; what is only read does not wait for it
    async slow() {
      const holder = await holdLock(file, 200);
      return async () => void (await holder.end());
    },
    // a backup in its place
    failOver() {
      const backup = newFile();
      withDatabase(file, (database) => database.exec(`VACUUM INTO '${backup}'`));
      for (const end of ['-wal', '-shm']) rmSync(file + end, { force: true });
      renameSync(backup, file);
    },
  };
}

function run<Store>(name: string, cases: readonly StoreCase<Store>[], pick: (stores: Stores) => Store): void {
  describe(`the SQLite ${name} store`, () => {
    for (const each of cases) {
      if (each.needs?.includes('freeze')) it.skip(`${each.name} (${frozen})`);
      else it(each.name, patience, async () => each.run(await createHarness(pick)));
    }
  });
}

run('key', writableKeyStoreContract, (stores) => stores.keys);
run('config', configStoreContract, (stores) => stores.config);
run('secret', secretStoreContract, (stores) => stores.secrets);

describe('the SQLite key store, for reading', () => {
  for (const each of keyStoreContract) {
    if (each.needs === 'freeze') it.skip(`${each.name} (${frozen})`);
    else {
      it(each.name, patience, async () =>
        each.run(toKeyStoreHarness(await createHarness((stores) => stores.keys))),
      );
    }
  }
});

describe('SQLite stores in memory', () => {
  const cases = [
    ...writableKeyStoreContract.map((each) => [each.name, each, (stores: Stores) => stores.keys] as const),
    ...configStoreContract.map((each) => [each.name, each, (stores: Stores) => stores.config] as const),
    ...secretStoreContract.map((each) => [each.name, each, (stores: Stores) => stores.secrets] as const),
  ] as readonly (readonly [string, StoreCase<unknown>, (stores: Stores) => unknown])[];
  const isForOneProcess = ([, { needs = [] }]: (typeof cases)[number]) =>
    needs.every((need) => need === 'watch');

  it.each(cases.filter(isForOneProcess))('%s', patience, async (_, each, pick) => {
    const store = pick(open(':memory:'));
    await each.run({ store, second: () => store });
  });

  it('are apart from each other', async () => {
    const [one, other] = [open(':memory:'), open(':memory:')];
    await one.config.appendVersion({ author: 'a', createdAtMs: 1, digest: 'd', config: {} as never }, 0);
    expect(await one.config.readNumber()).toBe(1);
    expect(await other.config.readNumber()).toBe(0);
  });
});
