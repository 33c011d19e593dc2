import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRuntime } from '../../src/runtime.ts';
import { createChangeFeed } from '../../src/stores/sqlite/change-feed.ts';
import { createSqliteKeyStore } from '../../src/stores/sqlite/sqlite-key-store.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { atEnd, connect, newFile, open, runChild, until, withDatabase } from './sqlite-fixture.ts';

const big = (kid: string) => ({ ...sampleRecord(kid, { name: 'x'.repeat(50_000) }), version: 1 });
const kidOf = (index: number) => `Big${String(index).padStart(9, '0')}`;

/** Mounts a file system of 600 KB over a directory, for the command behind it and nobody else. */
const onSmallDisk = (directory: string): string[] => [
  ...['unshare', '--map-root-user', '--mount', 'sh', '-c'],
  'mount -t tmpfs -o size=600k tmpfs "$0" && exec "$@"',
  directory,
];

function canMount(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-mount-'));
  const [command, ...rest] = onSmallDisk(directory) as [string, ...string[]];
  const { status } = spawnSync(command, [...rest, 'true'], { stdio: 'ignore' });
  rmSync(directory, { recursive: true });
  return status === 0;
}

describe('SQLite stores', () => {
  it('reject writes when the database may not grow, go on reading, and write again when it may', async () => {
    const file = newFile();
    const runtime = createRuntime();
    const connection = connect(file, runtime);
    const feed = createChangeFeed({ connection, runtime, pollMs: 5, maxChanges: 100 });
    const keys = createSqliteKeyStore(connection, feed, runtime);
    await keys.putKey(big(kidOf(0)), 0);
    await connection.read((database) => database.exec('PRAGMA max_page_count = 1'));
    for (let index = 1; index < 4; index++) {
      await expect(keys.putKey(big(kidOf(index)), 0)).rejects.toThrow(/^SQLite store .*: the disk is full/);
      expect(await keys.findKey(kidOf(index))).toBe(null);
      expect(await keys.findKey(kidOf(0))).toEqual(big(kidOf(0)));
    }
    await connection.read((database) => database.exec('PRAGMA max_page_count = 100000'));
    expect(await keys.putKey(big(kidOf(1)), 0)).toBe(true);
    expect((await keys.listKeys({})).map(({ kid }) => kid)).toEqual([kidOf(0), kidOf(1)]);
  });

  it.skipIf(!canMount())(
    'reject writes when the disk is full, go on reading, and write again when there is space (needs the right to mount)',
    async () => {
      const file = newFile();
      const script = `
        import assert from 'node:assert/strict';
        import { rmSync, writeFileSync } from 'node:fs';
        import { DatabaseSync } from 'node:sqlite';
        import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
        import { sampleRecord } from 'source:testing/contracts/key-store-samples.ts';
        const file = ${JSON.stringify(file)};
        const big = (index) => ({ ...sampleRecord('Big' + index, { name: 'x'.repeat(20_000) }), version: 1 });
        const { keys, migrate, close } = createSqliteStores({ file });
        await migrate();
        writeFileSync(file + '.other', 'x'.repeat(200_000));
        const stored = [];
        let reason = '';
        while (reason === '' && stored.length < 100) {
          const record = big(stored.length);
          await keys.putKey(record, 0).then(() => stored.push(record), (error) => { reason = error.message; });
        }
        for (let index = 0; index < 3; index++) {
          await assert.rejects(keys.putKey(big('Never' + index), 0), /disk/);
          assert.equal(await keys.findKey('BigNever' + index), null);
        }
        for (const record of stored) assert.deepEqual(await keys.findKey(record.kid), record);
        rmSync(file + '.other');
        assert.equal(await keys.putKey(big('After'), 0), true);
        await close();
        const check = new DatabaseSync(file).prepare('PRAGMA integrity_check').get();
        console.log(JSON.stringify({ stored: stored.length, reason, check: check.integrity_check }));`;
      const child = runChild(script, { wrapper: onSmallDisk(dirname(file)) });
      const found = JSON.parse(await child.line());
      expect(await child.end()).toBe(0);
      expect(found.check).toBe('ok');
      expect(found.reason).toContain(`SQLite store ${file}: the disk`);
      expect(found.stored).toBeGreaterThan(2);
      expect(found.stored).toBeLessThan(50);
    },
  );

  it.each([
    ['the file is read-only', 0o444, 0o777],
    ['the file and its directory are read-only while another process has it open', 0o444, 0o555],
  ])('reject writes and serve reads when %s', async (_, fileMode, directoryMode) => {
    const file = newFile();
    const stores = createSqliteStores({ file });
    atEnd(() => stores.close());
    await stores.keys.putKey({ ...sampleRecord('Known0000001'), version: 1 }, 0);
    if (directoryMode === 0o777) await stores.close();
    for (const name of readdirSync(dirname(file))) chmodSync(join(dirname(file), name), fileMode);
    chmodSync(dirname(file), directoryMode);
    atEnd(() => chmodSync(dirname(file), 0o777));
    expect(JSON.parse(await tryAll(file))).toEqual({
      find: 'Known0000001',
      put: expect.stringMatching(/^SQLite store .*: the database is read-only/),
      append: expect.stringMatching(/^SQLite store .*: the database is read-only/),
    });
  });

  it('say what is missing when the directory is read-only and nobody has the database open', async () => {
    const file = newFile();
    const stores = createSqliteStores({ file });
    await stores.keys.putKey({ ...sampleRecord('Known0000001'), version: 1 }, 0);
    await stores.close();
    chmodSync(file, 0o444);
    chmodSync(dirname(file), 0o555);
    atEnd(() => chmodSync(dirname(file), 0o777));
    const reason = expect.stringMatching(
      /the database is read-only: the file, its directory or the file system/,
    );
    expect(JSON.parse(await tryAll(file))).toEqual({ find: reason, put: reason, append: reason });
    expect(readdirSync(dirname(file))).toEqual(['headgate.db']);
  });

  it('notice that the file was moved away, never make an empty one in its place, and go on when it is back', async () => {
    const file = newFile();
    const { keys, config } = open(file);
    await keys.putKey({ ...sampleRecord('Known0000001'), version: 1 }, 0);
    const heard: (string | undefined)[] = [];
    keys.watchKeys((kid) => void heard.push(kid));
    await until(() => heard.length === 1);
    renameSync(file, `${file}.aside`);
    for (let times = 0; times < 5; times++) {
      await expect(keys.findKey('Known0000001')).rejects.toThrow(file);
      await expect(keys.putKey({ ...sampleRecord('Lost00000001'), version: 1 }, 0)).rejects.toThrow(file);
      await expect(config.readLatest()).rejects.toThrow(file);
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
    expect(readdirSync(dirname(file))).not.toContain('headgate.db');
    expect(heard).toEqual([undefined]);
    renameSync(`${file}.aside`, file);
    await until(() => heard.length > 1);
    expect(heard).toEqual([undefined, undefined]);
    expect((await keys.findKey('Known0000001'))?.kid).toBe('Known0000001');
    expect(await keys.findKey('Lost00000001')).toBe(null);
  });

  it('notice that the file was replaced by a backup, and tell watchers that anything may have changed', async () => {
    const file = newFile();
    const backup = newFile();
    const { keys } = open(file);
    await keys.putKey({ ...sampleRecord('Known0000001'), version: 1 }, 0);
    withDatabase(file, (database) => database.exec(`VACUUM INTO '${backup}'`));
    const revoked = { ...sampleRecord('Known0000001', { revokedAtMs: 5 }), version: 2 };
    await keys.putKey(revoked, 1);
    const heard: (string | undefined)[] = [];
    keys.watchKeys((kid) => void heard.push(kid));
    await until(() => heard.length === 1);
    for (const end of ['-wal', '-shm']) rmSync(file + end);
    renameSync(backup, file);
    await until(() => heard.length > 1);
    expect((await keys.findKey('Known0000001'))?.version).toBe(1);
    expect(await keys.putKey(revoked, 1)).toBe(true);
  });
});

/** What a process that is not allowed everything is told. */
async function tryAll(file: string): Promise<string> {
  const script = `
    import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
    import { sampleRecord } from 'source:testing/contracts/key-store-samples.ts';
    const { keys, config, close } = createSqliteStores({ file: ${JSON.stringify(file)}, reopenMs: 0 });
    const tell = (promise) => promise.catch((error) => error.message);
    const find = await tell(keys.findKey('Known0000001').then((record) => record?.kid));
    const put = await tell(keys.putKey({ ...sampleRecord('New000000001'), version: 1 }, 0));
    const append = await tell(config.appendVersion({ author: 'a', createdAtMs: 1, digest: 'd', config: {} }, 0));
    console.log(JSON.stringify({ find, put, append }));
    await close();`;
  // root may write everywhere; 65534 is nobody
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = runChild(script, user);
  const line = await child.line();
  expect(await child.end()).toBe(0);
  return line;
}
