import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createRuntime } from '../../src/runtime.ts';
import { generationOf, type MigrationStep, pendingSteps } from '../../src/stores/sql/migration.ts';
import { createChangeFeed } from '../../src/stores/sqlite/change-feed.ts';
import { createSqliteConfigStore } from '../../src/stores/sqlite/sqlite-config-store.ts';
import { createSqliteKeyStore } from '../../src/stores/sqlite/sqlite-key-store.ts';
import { sqliteSteps } from '../../src/stores/sqlite/steps.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { connect, newFile, open, runChild, withDatabase } from './sqlite-fixture.ts';

const names = sqliteSteps.map(({ name }) => name);

const added: MigrationStep = {
  name: 'next-release',
  generation: 1,
  statements: [
    "ALTER TABLE headgate_keys ADD COLUMN region TEXT NOT NULL DEFAULT 'eu'",
    'CREATE TABLE headgate_next (a TEXT)',
  ],
};
const taken: MigrationStep = {
  name: 'release-after-next',
  generation: 2,
  statements: ['DROP TABLE headgate_stamps'],
};

/** The stores of a release that knows these steps. */
function release(file: string, steps: readonly MigrationStep[]) {
  const runtime = createRuntime();
  const connection = connect(file, runtime, steps);
  const feed = createChangeFeed({ connection, runtime, pollMs: 5, maxChanges: 100 });
  const keys = createSqliteKeyStore(connection, feed, runtime);
  return { connection, keys, config: createSqliteConfigStore(connection, feed, 10) };
}

async function putAndFind(keys: ReturnType<typeof release>['keys'], kid: string): Promise<void> {
  const record = { ...sampleRecord(kid), version: 1 };
  expect(await keys.putKey(record, 0)).toBe(true);
  expect(await keys.putKey({ ...record, version: 2, revokedAtMs: 5 }, 1)).toBe(true);
  await keys.noteUses([{ kid, usedAtMs: 9, previous: true }]);
  const found = await keys.findKey(kid);
  expect(found).toEqual({ ...record, version: 2, revokedAtMs: 5, lastUsedAtMs: 9, previousUsedAtMs: 9 });
  expect(await keys.listKeys({ team: 'web' })).toContainEqual(found);
}

describe('the schema of the SQLite stores', () => {
  it('is made step by step, each once, and says which steps were done', async () => {
    const file = newFile();
    expect(await open(file).migrate()).toEqual(names);
    expect(await open(file).migrate()).toEqual([]);
    const stores = open(file);
    await stores.keys.findKey('a');
    expect(await stores.migrate()).toEqual([]);
    const done = withDatabase(file, (database) =>
      database.prepare('SELECT name, generation FROM headgate_migrations ORDER BY rowid').all(),
    );
    expect(done.map((row) => ({ ...row }))).toEqual(names.map((name) => ({ name, generation: 1 })));
  });

  it('is made by the first call when nobody migrates, and not without being told to', async () => {
    const file = newFile();
    expect(await open(file).config.readNumber()).toBe(0);
    const other = newFile();
    const careful = open(other, { migrate: false });
    await expect(careful.config.readNumber()).rejects.toThrow('headgate migrate');
    expect(await careful.migrate()).toEqual(names);
    expect(await careful.config.readNumber()).toBe(0);
  });

  it('is made by migrate() even when a call that may not make it is under way', async () => {
    const file = newFile();
    const careful = open(file, { migrate: false });
    const reads = Array.from({ length: 3 }, () => careful.config.readNumber().catch(() => 'refused'));
    const done = await Promise.all([careful.migrate(), ...reads]);
    expect(done).toEqual([names, 'refused', 'refused', 'refused']);
    expect(await careful.config.readNumber()).toBe(0);
  });

  it('is not brought further without being told to', async () => {
    const file = newFile();
    await release(file, sqliteSteps.slice(0, 2)).connection.migrate();
    const careful = open(file, { migrate: false });
    await expect(careful.config.readNumber()).rejects.toThrow('lacks config, secrets, ledger');
    expect(await careful.migrate()).toEqual(['config', 'secrets', 'ledger']);
    expect(await careful.config.readNumber()).toBe(0);
  });

  it('is readable and writable for its owner alone', async () => {
    const file = newFile();
    await open(file).migrate();
    for (const end of ['', '-wal', '-shm']) expect(statSync(file + end).mode & 0o777).toBe(0o600);
  });

  it.each(sqliteSteps.map((_, index) => index).filter((index) => index >= 2))(
    'of a release with %i steps goes on working, open or opened again, when a newer one has migrated',
    async (count) => {
      const file = newFile();
      const old = release(file, sqliteSteps.slice(0, count));
      await putAndFind(old.keys, 'Old000000001');
      const newer = release(file, [...sqliteSteps, added]);
      expect(await newer.connection.migrate()).toEqual([...names.slice(count), 'next-release']);
      await putAndFind(newer.keys, 'New000000001');
      await putAndFind(old.keys, 'Old000000002');
      expect((await old.keys.findKey('New000000001'))?.version).toBe(2);
      const restarted = release(file, sqliteSteps.slice(0, count));
      expect(await restarted.connection.migrate()).toEqual([]);
      await putAndFind(restarted.keys, 'Old000000003');
      expect((await newer.keys.listKeys({})).map(({ kid }) => kid)).toEqual([
        'New000000001',
        'Old000000001',
        'Old000000002',
        'Old000000003',
      ]);
    },
  );

  it('of a higher generation is refused by releases that do not know it: at opening, and at the next write', async () => {
    const file = newFile();
    const old = release(file, sqliteSteps);
    await putAndFind(old.keys, 'Old000000001');
    await release(file, [...sqliteSteps, added, taken]).connection.migrate();
    const put = old.keys.putKey({ ...sampleRecord('Old000000002'), version: 1 }, 0);
    await expect(put).rejects.toThrow('generation 2');
    await expect(release(file, sqliteSteps).keys.findKey('Old000000001')).rejects.toThrow('generation 2');
    await expect(release(file, [...sqliteSteps, added]).connection.migrate()).rejects.toThrow('generation 2');
  });

  it('is as it was before a step that fails, and the step is done at the next try', async () => {
    const file = newFile();
    const wrong = { ...added, statements: [...added.statements, 'CREATE TABLE headgate_keys (a)'] };
    await expect(release(file, [...sqliteSteps, wrong]).connection.migrate()).rejects.toThrow(
      'already exists',
    );
    const again = release(file, [...sqliteSteps, added]);
    expect(await again.connection.migrate()).toEqual(['next-release']);
  });

  it('is made once when several processes start at the same time on no file', async () => {
    const file = newFile();
    const children = Array.from({ length: 4 }, () =>
      runChild(`
        import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
        const stores = createSqliteStores({ file: ${JSON.stringify(file)}, busyTimeoutMs: 60_000 });
        console.log(JSON.stringify(await stores.migrate()));
        console.log(await stores.config.readNumber());
        await stores.close();`),
    );
    const done = await Promise.all(children.map(async (child) => JSON.parse(await child.line()) as string[]));
    for (const child of children) {
      expect(await child.line()).toBe('0');
      expect(await child.end()).toBe(0);
    }
    expect(done.flat().sort()).toEqual([...names].sort());
  });
});

describe('migration steps', () => {
  it('have names of their own and generations that do not fall', () => {
    expect(new Set(names).size).toBe(names.length);
    const generations = sqliteSteps.map(({ generation }) => generation);
    expect(generations).toEqual([...generations].sort((a, b) => a - b));
  });

  it('are pending in their order, whatever else was done', () => {
    const state = { generation: 1, done: new Set(['keys', 'of a later release']) };
    expect(pendingSteps(sqliteSteps, state).map(({ name }) => name)).toEqual([
      'changes',
      'config',
      'secrets',
      'ledger',
    ]);
    expect(generationOf([])).toBe(0);
    expect(() => pendingSteps(sqliteSteps, { ...state, generation: 2 })).toThrow('newer release');
  });
});
