import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { newFile, open, withDatabase } from './sqlite-fixture.ts';

/** A Headgate database with some keys, closed. */
async function makeDatabase(file: string, keys = 20): Promise<void> {
  const stores = createSqliteStores({ file });
  for (let index = 0; index < keys; index++) {
    const kid = `Key${String(index).padStart(9, '0')}`;
    await stores.keys.putKey({ ...sampleRecord(kid, { name: 'x'.repeat(500) }), version: 1 }, 0);
  }
  await stores.close();
}

/** What a crash leaves of what `prepare` has done: the database and its log. */
function crash(file: string, prepare: (database: DatabaseSync) => void): void {
  const original = `${file}.original`;
  const database = new DatabaseSync(original);
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE theirs (a)');
  prepare(database);
  copyFileSync(original, file);
  copyFileSync(`${original}-wal`, `${file}-wal`);
  database.close();
}

const overwritePage = (file: string, at: number): void => {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, at, at + 4_096);
  writeFileSync(file, bytes);
};

const damages: readonly (readonly [string, RegExp, (file: string) => unknown])[] = [
  [
    'text that is no database',
    /not a SQLite database/,
    (file) => writeFileSync(file, 'limits: []\n'.repeat(99)),
  ],
  ['a file of a few bytes', /not a SQLite database/, (file) => writeFileSync(file, 'SQLite format 3\0')],
  [
    'the database of another application',
    /another application \(application_id 0\)/,
    (file) => withDatabase(file, (database) => database.exec('CREATE TABLE theirs (a)')),
  ],
  [
    'the database of an application that says who it is, in WAL mode',
    /another application \(application_id 7\)/,
    (file) =>
      withDatabase(file, (database) =>
        database.exec('PRAGMA journal_mode = WAL; PRAGMA application_id = 7; CREATE TABLE theirs (a)'),
      ),
  ],
  [
    'the database of another application that has crashed, with its log',
    /another application \(application_id 0\)/,
    (file) => crash(file, (database) => database.exec('INSERT INTO theirs VALUES (1)')),
  ],
  [
    'a schema of a newer generation',
    /generation 99, and this release of Headgate knows none above 1/,
    async (file) => {
      await makeDatabase(file);
      withDatabase(file, (database) => database.exec('PRAGMA user_version = 99'));
    },
  ],
  [
    'a page in the middle that was overwritten',
    /corrupt/,
    async (file) => {
      await makeDatabase(file);
      overwritePage(file, 4_096 * 12);
    },
  ],
  [
    'a first page that was overwritten behind the header',
    /corrupt/,
    async (file) => {
      await makeDatabase(file);
      const bytes = readFileSync(file);
      bytes.fill(0xa5, 100, 4_096);
      writeFileSync(file, bytes);
    },
  ],
  [
    'an end that is missing',
    /corrupt/,
    async (file) => {
      await makeDatabase(file);
      writeFileSync(file, readFileSync(file).subarray(0, 4_096 * 10));
    },
  ],
  [
    'a damaged page in a database of many megabytes',
    /corrupt/,
    async (file) => {
      await makeDatabase(file, 1);
      withDatabase(file, (database) => {
        database.exec('BEGIN');
        const insert = database.prepare('INSERT INTO headgate_secrets VALUES (?, 1, ?, ?, NULL, ?)');
        for (let index = 0; index < 3_000; index++)
          insert.run(`id-${index}`, 'p', 'gateway', 'x'.repeat(2_000));
        database.exec('COMMIT');
      });
      const { size } = statSync(file);
      expect(size).toBeGreaterThan(5_000_000);
      overwritePage(file, Math.floor(size / 8_192) * 4_096);
    },
  ],
];

/** Every file beside the database with its bytes. */
function look(file: string): Record<string, string> {
  const directory = dirname(file);
  const names = readdirSync(directory).filter((name) => !name.includes('.original'));
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  );
}

describe('SQLite stores refuse a file that is not theirs or is damaged', () => {
  it.each(damages)('%s: names the file and the reason, and changes nothing', async (_, reason, damage) => {
    const file = newFile();
    await damage(file);
    const before = look(file);
    for (const migrate of [true, false]) {
      const stores = open(file, { migrate });
      const calls = [
        () => stores.migrate(),
        () => stores.keys.findKey('Key000000001'),
        () => stores.keys.putKey({ ...sampleRecord('Key000000001'), version: 1 }, 0),
        () => stores.config.readLatest(),
        () => stores.secrets.readSecretsStamp(),
      ];
      for (const call of calls) {
        const error = await call().then(
          () => undefined,
          (thrown: Error) => thrown,
        );
        expect(error?.message).toMatch(reason);
        expect(error?.message).toContain(file);
      }
      await stores.close();
    }
    const { 'headgate.db-shm': shared, ...after } = look(file);
    // only where a log was: the index of that log, which holds nothing that the log does not
    if (before['headgate.db-wal'] === undefined) expect(shared).toBeUndefined();
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const [name, bytes] of Object.entries(before)) expect(after[name] === bytes, name).toBe(true);
  });

  it('a directory, and a path whose directory does not exist', async () => {
    const file = newFile();
    mkdirSync(file);
    await expect(open(file).migrate()).rejects.toThrow(`${file}: this is not a file`);
    const missing = join(file, 'missing', 'headgate.db');
    await expect(open(missing).migrate()).rejects.toThrow(`${missing}: its directory does not exist`);
  });

  it('nothing at all, when it may not make a schema', async () => {
    const file = newFile();
    await expect(open(file, { migrate: false }).keys.findKey('a')).rejects.toThrow('headgate migrate');
    expect(readdirSync(dirname(file))).toEqual([]);
  });

  it('does not look for damage when it is told not to, and throws instead of a wrong answer when it meets some', async () => {
    const file = newFile();
    await makeDatabase(file);
    const bytes = readFileSync(file);
    const at = bytes.indexOf('"kid":"Key000000003"');
    bytes.write('"kid":"Key0000000', at - 6);
    writeFileSync(file, bytes);
    const { keys } = open(file, { checkIntegrity: false });
    await expect(keys.findKey('Key000000003')).rejects.toThrow(/: key Key000000003 is damaged[^"]*$/);
    expect((await keys.findKey('Key000000004'))?.kid).toBe('Key000000004');
  });

  it('is tried again after a pause, and works when the file was put right', async () => {
    const file = newFile();
    writeFileSync(file, 'not a database, until somebody takes it away');
    const { keys } = open(file, { reopenMs: 20 });
    await expect(keys.findKey('a')).rejects.toThrow('not a SQLite database');
    writeFileSync(file, '');
    await expect.poll(() => keys.findKey('a').catch((error) => error), { interval: 5 }).toBe(null);
  });

  it.each([
    ['file', ''],
    ['file', 'a\0b'],
    ['file', undefined],
    ['pollMs', 0],
    ['busyTimeoutMs', -1],
    ['maxWaitingWrites', 1.5],
    ['maxChanges', Number.NaN],
    ['maxVersions', 0],
    ['reopenMs', Number.POSITIVE_INFINITY],
  ])('throws a TypeError that names the option "%s" when it is %j', (option, value) => {
    const create = () => createSqliteStores({ file: ':memory:', [option]: value } as never);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(`"${option}"`);
  });
});
