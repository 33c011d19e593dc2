import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, vi } from 'vitest';
import { listKeyRows } from '../../src/stores/sqlite/list-keys.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { scopeOf } from '../limits/leasing-network.ts';
import { atEnd, newFile, open, runChild, until, withDatabase } from './sqlite-fixture.ts';

const directory = new URL('../../src/stores/sqlite/', import.meta.url);

describe('SQLite stores and the runtime', () => {
  it('load node:sqlite with the first call and not before, and announce nothing', async () => {
    const child = runChild(
      `
      import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
      const isLoaded = () => process.moduleLoadList.some((name) => name.endsWith('sqlite'));
      const warnings = [];
      process.on('warning', (warning) => warnings.push(warning.message));
      const stores = createSqliteStores({ file: ${JSON.stringify(newFile())} });
      const before = isLoaded();
      await stores.migrate();
      process.emitWarning('others are still heard');
      await new Promise((resolve) => setImmediate(resolve));
      console.log(JSON.stringify([before, isLoaded(), warnings]));
      await stores.close();`,
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    expect(JSON.parse(await child.line())).toEqual([false, true, ['others are still heard']]);
  });

  it('bind no parameter by its number, which Node 22 does not do by place', () => {
    const files = readdirSync(directory).filter((name) => name.endsWith('.ts'));
    expect(files).toContain('sqlite-key-store.ts');
    for (const name of files)
      expect(readFileSync(new URL(name, directory), 'utf8'), name).not.toMatch(/[ (,]\?\d/);
  });

  it('take every wait from the runtime: with its clock at rest a write waits, and ends when its time is over', async () => {
    const file = newFile();
    const runtime = createVirtualRuntime();
    const stores = createSqliteStores({ file, runtime, busyTimeoutMs: 1_000 });
    atEnd(() => stores.close());
    await stores.migrate();
    const lock = withLock(file);
    let end = '';
    const put = () => stores.keys.putKey({ ...sampleRecord('Waiting00001'), version: 1 }, 0);
    const first = put().catch((error: Error) => {
      end = error.message;
    });
    await runtime.advanceAsync(990);
    expect(end).toBe('');
    await runtime.advanceAsync(100);
    await first;
    expect(end).toContain('locked');
    const second = put();
    await runtime.advanceAsync(500);
    lock.release();
    await runtime.advanceAsync(30);
    expect(await second).toBe(true);
    expect(runtime.pending).toBe(0);
  });

  it('copy the log once for one write, however often that finds the lock taken', async () => {
    const file = newFile();
    const runtime = createVirtualRuntime();
    const stores = createSqliteStores({ file, runtime });
    atEnd(() => stores.close());
    await stores.migrate();
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
    atEnd(() => prepare.mockRestore());
    const reserve = async (count: number) => {
      for (let index = 0; index < count; index++)
        await stores.ledger.reserve(`${runtime.now()} ${index}`, [scopeOf('k', 1e6, 1)], 600_000);
    };
    await reserve(32);
    expect(prepare).not.toHaveBeenCalledWith('PRAGMA wal_checkpoint');
    const lock = withLock(file);
    const waiting = reserve(1);
    await until(() => prepare.mock.calls.some(([sql]) => sql === 'PRAGMA wal_checkpoint'));
    const at = prepare.mock.calls.findIndex(([sql]) => sql === 'PRAGMA wal_checkpoint');
    const copy = vi.spyOn(prepare.mock.results[at]?.value, 'get');
    await runtime.advanceAsync(400);
    lock.release();
    await runtime.advanceAsync(30);
    await waiting;
    expect(copy).not.toHaveBeenCalled();
    await reserve(31);
    expect(copy).not.toHaveBeenCalled();
    await reserve(1);
    expect(copy).toHaveBeenCalledOnce();
  });

  it('poll for changes only while somebody watches', async () => {
    const runtime = createVirtualRuntime();
    const stores = createSqliteStores({ file: newFile(), runtime, pollMs: 100 });
    atEnd(() => stores.close());
    await stores.migrate();
    expect(runtime.pending).toBe(0);
    const heard: unknown[] = [];
    const unwatch = stores.keys.watchKeys((kid) => void heard.push(kid));
    await until(() => runtime.pending === 1);
    await runtime.advanceAsync(1_000);
    expect(heard).toEqual([undefined]);
    await unwatch();
    await runtime.advanceAsync(1_000);
    expect(runtime.pending).toBe(0);
  });

  it('look through many keys that match nothing in slices, with other work in between', async () => {
    const file = newFile();
    const { keys, migrate } = open(file);
    await migrate();
    withDatabase(file, (database) => {
      const insert = database.prepare('INSERT INTO headgate_keys VALUES (?, 1, ?, NULL, ?, 0, 1000, ?)');
      database.exec('BEGIN');
      for (let index = 0; index < 5_000; index++) {
        const record = {
          ...sampleRecord(`K${100_000 + ((index * 1_237) % 5_000)}`),
          version: 1,
          owner: 'ana',
        };
        insert.run(record.kid, record.team, record.owner, JSON.stringify(record));
      }
      database.exec('COMMIT');
    });
    let turns = 0;
    let isListing = true;
    const count = (): void => {
      turns++;
      if (isListing) setImmediate(count);
    };
    count();
    for (const query of [{ unusedSinceMs: 1_000 }, { owner: 'ana', team: 'none' }]) {
      const from = turns;
      expect(await keys.listKeys(query)).toEqual([]);
      expect(turns - from).toBeGreaterThanOrEqual(5_000 / 500 - 1);
    }
    isListing = false;
    const pages = await keys.listKeys({
      owner: 'ana',
      team: 'web',
      active: true,
      unusedSinceMs: 1_001,
      limit: 1_000,
    });
    expect(pages.map(({ kid }) => kid)).toEqual(
      Array.from({ length: 1_000 }, (_, index) => `K${100_000 + index}`),
    );
    const [first] = await keys.listKeys({ active: true, after: 'K104998' });
    expect(first?.kid).toBe('K104999');
  });

  it.each([
    [{ team: 'web' }, 'headgate_keys_team'],
    [{ project: 'shop', team: 'web' }, 'headgate_keys_project'],
    [{ owner: 'ana', project: 'shop', team: 'web', active: true, unusedSinceMs: 5 }, 'headgate_keys_owner'],
    [{ active: true }, 'sqlite_autoindex_headgate_keys_1'],
  ])('walk for %j by the index %s', async (query, index) => {
    const { explained } = await explain(query);
    expect(explained).toContain(`headgate_keys USING INDEX ${index}`);
    expect(explained).not.toMatch(/SCAN headgate_keys|TEMP B-TREE/);
  });
});

/** How SQLite goes about the statements that a query becomes. */
async function explain(query: Parameters<typeof listKeyRows>[1]) {
  const file = newFile();
  await open(file).migrate();
  const texts: string[] = [];
  const note = (sql: string) => {
    texts.push(sql);
  };
  const database = { get: note, all: (sql: string) => note(sql) ?? [] };
  const connection = { read: async (action: (database: never) => unknown) => action(database as never) };
  await listKeyRows(connection as never, query);
  const plans = withDatabase(file, (native) =>
    texts.flatMap((sql) =>
      native
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map((row) => String(row.detail)),
    ),
  );
  return { explained: plans.join('; ') };
}

/** Holds the write lock by a connection of its own. */
function withLock(file: string): { release(): void } {
  const database = new DatabaseSync(file);
  database.exec('BEGIN IMMEDIATE');
  return {
    release() {
      database.exec('ROLLBACK');
      database.close();
    },
  };
}
