import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFileStores, type FileStoresOptions } from '../../src/stores/file/file-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { createDirectory } from './file-harness.ts';

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:fs/promises')>();
  return { ...original, stat: vi.fn(original.stat), open: vi.fn(original.open) };
});

describe('the stores in files', () => {
  let directory: string;
  let remove: () => Promise<void>;
  let opened: Stores[];

  beforeEach(async () => {
    const made = await createDirectory();
    remove = made.remove;
    directory = join(made.directory, 'data');
    opened = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((stores) => stores.close()));
    await remove();
  });

  const open = (options: Partial<FileStoresOptions> = {}): Stores => {
    const stores = createFileStores({ directory, pollMs: 10, ...options });
    opened.push(stores);
    return stores;
  };
  const put = (stores: Stores, kid: string, version: number, more = {}) =>
    stores.keys.putKey({ ...sampleRecord(kid, more), version }, version - 1);
  const soon = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 5 });

  it('begin in a directory that does not exist, and are made by migrate, once', async () => {
    const stores = open();
    expect(stores.backend).toBe('file');
    expect(await stores.keys.findKey('Aa0000000001')).toBeNull();
    expect(await stores.config.readLatest()).toBeNull();
    const steps = await Promise.all([stores.migrate(), open().migrate(), open().migrate()]);
    expect(steps.flat().sort()).toEqual([`made ${directory}`, 'made keys.json', 'made secrets.json']);
    expect(await stores.migrate()).toEqual([]);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it('need no migrate: the first change makes the file', async () => {
    const stores = open();
    expect(await put(stores, 'Aa0000000001', 1)).toBe(true);
    expect((await open().keys.findKey('Aa0000000001'))?.version).toBe(1);
    expect(await readdir(directory)).toEqual(['keys.json']);
  });

  const damages: readonly (readonly [what: string, damage: (text: string) => string, reason: RegExp])[] = [
    ['is cut off', (text) => text.slice(0, -20), /is damaged/],
    ['is empty', () => '', /is damaged/],
    ['is of another program', () => '{"name":"package"}', /is no file of headgate-keys/],
    ['is of a newer release', (text) => text.replace('"version":1', '"version":2'), /format version 2/],
    ['holds a key twice', (text) => text.replace('Bb0000000002', 'Aa0000000001'), /two keys have the kid/],
    [
      'holds a key without a hash',
      (text) => text.replace('"secretHash"', '"other"'),
      /number 1 has no "secretHash"/,
    ],
    [
      'holds an expiry that is a text',
      (text) => text.replace('"team"', '"expiresAtMs":"never","team"'),
      /"expiresAtMs"/,
    ],
    [
      'holds a revocation that is null',
      (text) => text.replace('"team"', '"revokedAtMs":null,"team"'),
      /"revokedAtMs"/,
    ],
    ['holds something that is no key', (text) => text.replace('\n]', ',7\n]'), /number 3 is none/],
  ];

  it.each(damages)(
    'throw when keys.json %s, at the start and later, never write to it, and recover',
    async (_, damage, reason) => {
      const stores = open();
      await put(stores, 'Aa0000000001', 1);
      await put(stores, 'Bb0000000002', 1);
      const file = join(directory, 'keys.json');
      const good = await readFile(file, 'utf8');
      const bad = damage(good);
      expect(bad).not.toBe(good);
      await writeFile(file, bad);
      for (const { keys } of [stores, open()]) {
        for (const call of [
          () => keys.findKey('Aa0000000001'),
          () => keys.findKey('Zz0000000009'),
          () => keys.listKeys({}),
          () => keys.putKey({ ...sampleRecord('Cc0000000003'), version: 1 }, 0),
          () => keys.noteUses([{ kid: 'Aa0000000001', usedAtMs: 1, previous: false }]),
        ]) {
          await expect(call()).rejects.toThrow(reason);
          await expect(call()).rejects.toThrow(file);
        }
      }
      await expect(open().migrate()).rejects.toThrow(file);
      expect(await readFile(file, 'utf8')).toBe(bad);
      await writeFile(file, good);
      expect((await stores.keys.findKey('Bb0000000002'))?.version).toBe(1);
      expect(await stores.keys.findKey('Zz0000000009')).toBeNull();
    },
  );

  it('read a damaged file once, not at every call', async () => {
    const stores = open();
    await put(stores, 'Aa0000000001', 1);
    await writeFile(join(directory, 'keys.json'), 'damaged');
    await expect(stores.keys.findKey('Aa0000000001')).rejects.toThrow('damaged');
    const { open: opening } = await import('node:fs/promises');
    vi.mocked(opening).mockClear();
    for (let index = 0; index < 10; index++)
      await expect(stores.keys.findKey('a')).rejects.toThrow('damaged');
    expect(opening).not.toHaveBeenCalled();
  });

  it('throw when keys.json vanishes after it was read, rather than know no key any more', async () => {
    const stores = open();
    await put(stores, 'Aa0000000001', 1);
    await rm(join(directory, 'keys.json'));
    await expect(stores.keys.findKey('Aa0000000001')).rejects.toThrow('is there no more');
    await expect(put(stores, 'Bb0000000002', 1)).rejects.toThrow('is there no more');
    expect(await readdir(directory)).toEqual([]);
  });

  it('tell watchers which keys differ after keys.json was edited or replaced by hand', async () => {
    const stores = open();
    for (const kid of ['Aa0000000001', 'Bb0000000002', 'Cc0000000003'])
      await put(stores, kid, 1, { team: 'old' });
    const heard: (string | undefined)[] = [];
    const unwatch = stores.keys.watchKeys((id) => void heard.push(id));
    await soon(() => expect(heard).toEqual([undefined]));
    const file = join(directory, 'keys.json');
    const lines = (await readFile(file, 'utf8')).split('\n');
    const edited = [
      lines[0],
      lines[1],
      lines[2]?.replace('"old"', '"new"').replace(/,$/, ''),
      lines[4],
      '',
    ].join('\n');
    await writeFile(`${file}.edited`, edited);
    await rename(`${file}.edited`, file);
    await soon(() => expect([...heard].sort()).toEqual(['Bb0000000002', 'Cc0000000003', undefined]));
    expect(await stores.keys.findKey('Cc0000000003')).toBeNull();
    await unwatch();
  });

  it('notice a change of the same size, also when the clock of the file system stands still or runs backwards', async () => {
    const writer = open();
    const reader = open();
    await put(writer, 'Aa0000000001', 1, { last4: '0001' });
    const file = join(directory, 'keys.json');
    await utimes(file, 4_102_444_800, 4_102_444_800);
    let before = 4_102_444_800_000_000_000n;
    for (let version = 2; version < 12; version++) {
      const last4 = String(version).padStart(4, '0');
      await writer.keys.putKey({ ...sampleRecord('Aa0000000001', { last4 }), version }, version - 1);
      const { mtimeNs } = await stat(file, { bigint: true });
      expect(mtimeNs).toBeGreaterThan(before);
      before = mtimeNs;
      // not read each time: the number of the file may have been used again in between
      if (version % 3 === 0) expect((await reader.keys.findKey('Aa0000000001'))?.last4).toBe(last4);
    }
  });

  it('find a key among ten thousand in memory: a stampede looks at the file a few times and reads it once', async () => {
    const records = Array.from({ length: 10_000 }, (_, index) => ({
      ...sampleRecord(`Key${String(index).padStart(9, '0')}`),
      version: 1,
    }));
    await mkdir(directory);
    const text = records.map((record) => JSON.stringify(record)).join(',\n');
    await writeFile(
      join(directory, 'keys.json'),
      `{"format":"headgate-keys","version":1,"records":[\n${text}\n]}\n`,
    );
    const { keys } = open();
    const { stat: looking, open: opening } = await import('node:fs/promises');
    vi.mocked(looking).mockClear();
    vi.mocked(opening).mockClear();
    const found = await Promise.all(records.map(({ kid }) => keys.findKey(kid)));
    expect(found).toEqual(records);
    expect(vi.mocked(looking).mock.calls.length).toBeLessThanOrEqual(2);
    expect(vi.mocked(opening).mock.calls.length).toBe(1);
    const again = await keys.findKey('Key000004711');
    expect(again).toBe(found[4_711]);
    expect(Object.isFrozen(again)).toBe(true);
    expect(vi.mocked(opening).mock.calls.length).toBe(1);
  });

  it('write a hundred changes that come at once in a few writes', async () => {
    const stores = open();
    await stores.migrate();
    const { open: opening } = await import('node:fs/promises');
    vi.mocked(opening).mockClear();
    const kids = Array.from({ length: 100 }, (_, index) => `Batch${String(index).padStart(7, '0')}`);
    expect(await Promise.all(kids.map((kid) => put(stores, kid, 1)))).toEqual(kids.map(() => true));
    const written = vi.mocked(opening).mock.calls.filter(([name]) => String(name).endsWith('.tmp'));
    expect(written.length).toBeLessThanOrEqual(2);
  });

  it('refuse a change when too many wait already', async () => {
    const stores = open({ maxQueued: 10 });
    const ends = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => put(stores, `Queue${String(index).padStart(7, '0')}`, 1)),
    );
    const refused = ends.filter((end) => end.status === 'rejected');
    expect(refused.length).toBe(39);
    expect(String(refused[0]?.reason)).toContain('10 changes wait');
    expect((await stores.keys.listKeys({})).length).toBe(11);
  });

  it('refuse a file that is larger than they may read', async () => {
    const stores = open({ maxBytes: 1_000 });
    await put(open(), 'Aa0000000001', 1, { owner: 'x'.repeat(2_000) });
    await expect(stores.keys.findKey('Aa0000000001')).rejects.toThrow('more than 1000');
  });

  it('throw when a lock is not given back, and change nothing', async () => {
    const stores = open({ lockWaitMs: 20 });
    await put(stores, 'Aa0000000001', 1);
    const lock = join(directory, 'keys.json.lock');
    await writeFile(lock, 'of someone else');
    await expect(put(stores, 'Aa0000000001', 2)).rejects.toThrow(lock);
    expect((await stores.keys.findKey('Aa0000000001'))?.version).toBe(1);
    await rm(lock);
    expect(await put(stores, 'Aa0000000001', 2)).toBe(true);
  });

  it('remove what killed writers have left, and nothing else', async () => {
    await mkdir(directory);
    const others = ['keys.json.0123456789ab', 'keys.json.bak.tmp', 'other.json.0123456789ab.tmp'];
    for (const name of ['keys.json.0123456789ab.tmp', ...others]) await writeFile(join(directory, name), '');
    await put(open(), 'Aa0000000001', 1);
    expect((await readdir(directory)).sort()).toEqual([...others, 'keys.json'].sort());
  });

  it('hold nothing but the records in the file of secrets, and tell damage there too', async () => {
    const stores = open();
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    const file = join(directory, 'secrets.json');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      format: 'headgate-secrets',
      version: 1,
      stamp: 1,
      records: [sampleSecret('openai')],
    });
    await writeFile(file, (await readFile(file, 'utf8')).replace('"stamp":1,', ''));
    await expect(stores.secrets.findSecret('openai')).rejects.toThrow('it has no "stamp"');
    expect(await stores.keys.findKey('Aa0000000001')).toBeNull();
  });

  it('keep no process from ending and call nobody after they are closed', async () => {
    const stores = open();
    await stores.migrate();
    const heard: unknown[] = [];
    stores.keys.watchKeys((id) => void heard.push(id));
    await soon(() => expect(heard).toEqual([undefined]));
    await stores.close();
    await put(open(), 'Aa0000000001', 1);
    await stores.keys.findKey('Aa0000000001');
    expect(heard).toEqual([undefined]);
  });

  it.each<[string, Partial<FileStoresOptions>, RegExp]>([
    ['no directory', { directory: '' }, /"directory" must be a path/],
    ['a poll without a pause', { pollMs: 0 }, /"pollMs"/],
    ['a queue without room', { maxQueued: 0 }, /"maxQueued"/],
    ['a wait that is none', { lockWaitMs: Number.NaN }, /"lockWaitMs"/],
    ['a file without room', { maxBytes: -1 }, /"maxBytes"/],
  ])('are not made with %s', (_, options, message) => {
    expect(() => open(options)).toThrow(TypeError);
    expect(() => open(options)).toThrow(message);
  });
});
