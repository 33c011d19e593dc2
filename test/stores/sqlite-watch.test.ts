import { describe, expect, it } from 'vitest';
import { createChangeFeed } from '../../src/stores/sqlite/change-feed.ts';
import type { SqliteConnection } from '../../src/stores/sqlite/connection.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { changeShared, newFile, open, runChild, until, version1, withDatabase } from './sqlite-fixture.ts';

describe('watchers of SQLite stores', () => {
  it('may be set up when the stores are closed already, and hear nothing', async () => {
    const runtime = createVirtualRuntime();
    const stores = open(newFile(), { runtime });
    await stores.migrate();
    const heard: (string | undefined)[] = [];
    stores.keys.watchKeys((kid) => void heard.push(kid));
    await stores.close();
    const unwatch = stores.keys.watchKeys((kid) => void heard.push(kid));
    await runtime.advanceAsync(10_000);
    expect(runtime.pending).toBe(0);
    expect(heard).toEqual([]);
    await unwatch();
  });

  it('are told of a change by another process at the next poll', async () => {
    const file = newFile();
    const runtime = createVirtualRuntime();
    const { keys } = open(file, { pollMs: 20, runtime });
    await keys.putKey(version1('Shared000001'), 0);
    const heard: (string | undefined)[] = [];
    keys.watchKeys((kid) => void heard.push(kid));
    await runtime.advanceAsync(20);
    expect(heard).toEqual([undefined]);
    const child = runChild(changeShared(file, 'other', 1));
    expect(await child.line()).toBe('done');
    await runtime.advanceAsync(20);
    expect(heard).toEqual([undefined, 'Shared000001']);
  });

  it('are told that anything may have changed when more changed than the database remembers', async () => {
    const file = newFile();
    const { keys } = open(file, { pollMs: 60_000 });
    await keys.putKey(version1('Own000000001'), 0);
    const heard: (string | undefined)[] = [];
    keys.watchKeys((kid) => void heard.push(kid));
    await until(() => heard.length === 1);
    const other = open(file, { maxChanges: 5 });
    for (let index = 0; index < 5; index++) await other.keys.putKey(version1(`Few${100_000_000 + index}`), 0);
    await keys.putKey(version1('Own000000002'), 0);
    await until(() => heard.includes('Own000000002'));
    expect(heard.slice(1)).toEqual(
      [0, 1, 2, 3, 4].map((index) => `Few${100_000_000 + index}`).concat('Own000000002'),
    );
    const from = heard.length;
    for (let index = 0; index < 7; index++) await other.keys.putKey(version1(`Many${10_000_000 + index}`), 0);
    await keys.putKey(version1('Own000000003'), 0);
    await until(() => heard.length > from);
    expect(heard.slice(from)).toEqual([undefined]);
    const rows = withDatabase(file, (database) => database.prepare('SELECT id FROM headgate_changes').all());
    expect(rows.length).toBeLessThanOrEqual(1_000);
  });

  it('are told of a change whose reading found the file busy and was begun again', async () => {
    const runtime = createVirtualRuntime();
    const ids = ['Own000000001'];
    let isBusy = false;
    const database = {
      get: (sql: string) => (sql.includes('data_version') ? { data_version: 1 } : { newest: ids.length }),
      all(_: string, after: number) {
        if (isBusy) throw new Error('database is locked');
        return ids.slice(after).map((id) => ({ kind: 'key', id }));
      },
    };
    const read = async (action: (given: unknown) => unknown) => {
      try {
        return action(database);
      } catch {
        isBusy = false;
        return action(database);
      }
    };
    const connection = { read } as unknown as SqliteConnection;
    const feed = createChangeFeed({ connection, runtime, pollMs: 1_000, maxChanges: 10 });
    const heard: (string | undefined)[] = [];
    feed.watch('key', (id) => void heard.push(id));
    await runtime.advanceAsync(1);
    ids.push('Own000000002');
    isBusy = true;
    feed.poke();
    await runtime.advanceAsync(5_000);
    expect(heard).toEqual([undefined, 'Own000000002']);
    feed.stop();
  });

  it('are told of their own kind of change alone', async () => {
    const { keys, config, secrets } = open(newFile());
    const heard: string[] = [];
    keys.watchKeys((id) => void heard.push(`key ${id}`));
    config.watchConfig?.((id) => void heard.push(`config ${id}`));
    secrets.watchSecrets?.((id) => void heard.push(`secret ${id}`));
    await until(() => heard.length === 3);
    await keys.putKey(version1('Aa0000000001'), 0);
    await config.appendVersion({ author: 'a', createdAtMs: 1, digest: 'd', config: {} as never }, 0);
    const secret = {
      id: 's',
      provider: 'p',
      scope: 'gateway',
      sealed: 'x',
      createdAtMs: 1,
      rotatedAtMs: 1,
    } as const;
    await secrets.putSecret({ ...secret, version: 1 }, 0);
    await until(() => heard.length >= 6);
    expect(heard.slice(3)).toEqual(['key Aa0000000001', 'config 1', 'secret s']);
  });

  it('leave no timer behind when they have ended', async () => {
    const file = newFile();
    await open(file).migrate();
    const child = runChild(`
      import { createRuntime } from 'source:runtime.ts';
      import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
      const scheduled = new Set();
      const runtime = createRuntime();
      const counting = { ...runtime, schedule(ms, action) {
        const cancel = runtime.schedule(ms, () => { scheduled.delete(cancel); action(); });
        scheduled.add(cancel);
        return () => { scheduled.delete(cancel); cancel(); };
      } };
      const stores = createSqliteStores({ file: ${JSON.stringify(file)}, pollMs: 1, runtime: counting });
      await new Promise((resolve) => { const end = stores.keys.watchKeys(() => void end().then(resolve)); });
      await new Promise((resolve) => setTimeout(resolve, 50));
      console.log(scheduled.size);
      stores.keys.watchKeys(() => {});
      // neither a watch nor an open database keeps this process from ending`);
    expect(await child.line()).toBe('0');
    expect(await child.end()).toBe(0);
  });
});
