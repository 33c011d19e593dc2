import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStores } from '../../src/stores/file/file-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { type Child, startChild } from './child.ts';
import { createDirectory } from './file-harness.ts';

describe('the stores in files, when processes are killed or share them', () => {
  let directory: string;
  let stores: Stores;
  let remove: () => Promise<void>;
  const children: Child[] = [];

  beforeEach(async () => {
    ({ directory, remove } = await createDirectory());
    stores = createFileStores({ directory });
    await stores.migrate();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.process.kill('SIGKILL');
      await child.ended;
    }
    await stores.close();
    await remove();
  });

  const write = (...args: readonly string[]): Child => {
    const child = startChild('file-writer.ts', [directory, ...args]);
    children.push(child);
    return child;
  };

  const numbers = {
    keys: async () => (await stores.keys.findKey('Aa0000000001'))?.version ?? 0,
    config: async () => await stores.config.readNumber(),
    secrets: async () => (await stores.secrets.findSecret('openai'))?.version ?? 0,
  } as const;

  it.each(['keys', 'config', 'secrets'] as const)(
    'keep the old or the new content of %s, whole, whenever a writer is killed, and the next writer goes on',
    { timeout: 300_000 },
    async (work) => {
      let acknowledged = 0;
      for (let round = 0; round < 5; round++) {
        const child = write(work);
        await child.line();
        // killed at another point of its work each time
        for (let index = 0; index <= round * 3; index++) acknowledged = Number(await child.line());
        for (let turn = 0; turn < round * 7; turn++) await new Promise((resolve) => setImmediate(resolve));
        child.process.kill('SIGKILL');
        await child.ended;
        for (let last = await child.line(); last; last = await child.line()) acknowledged = Number(last);
        const present = await numbers[work]();
        expect(present, 'what was acknowledged is there').toBeGreaterThanOrEqual(acknowledged);
        expect(present, 'and one more at most').toBeLessThanOrEqual(acknowledged + 1);
        acknowledged = present;
      }
      const last = write(work, '1');
      await last.line();
      expect(Number(await last.line())).toBe(acknowledged + 1);
      expect(await last.ended).toBe(0);
      const entries = await readdir(directory, { recursive: true });
      expect(entries.filter((entry) => /lock$/.test(entry))).toEqual([]);
      if (work === 'config') {
        const listed = await stores.config.listVersions({ limit: 1_000 });
        expect(listed.filter(({ author }) => author === 'file')).toEqual([]);
        for (const { number } of listed) {
          expect((await stores.config.readVersion(number))?.message).toBe(`why v${number}`);
        }
      }
    },
  );

  it.each(['keys', 'config', 'secrets'] as const)(
    'lose no change of %s when four processes write at once',
    { timeout: 300_000 },
    async (work) => {
      const writers = Array.from({ length: 4 }, () => write(work, '25'));
      const results = await Promise.all(
        writers.map(async (writer) => {
          const lines: string[] = [];
          for (let line = await writer.line(); line !== undefined; line = await writer.line())
            lines.push(line);
          expect(await writer.ended).toBe(0);
          return lines.filter((line) => line !== 'ready').map(Number);
        }),
      );
      const won = results.flat().sort((one, other) => one - other);
      expect(won).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
      expect(await numbers[work]()).toBe(100);
    },
  );

  it('throw when a file cannot be written, keep what was there, leave nothing behind, and go on reading', async () => {
    const child = startChild('file-writer.ts', [directory, 'keys'], 'ulimit -f 8; exec "$@"');
    children.push(child);
    let last: string | undefined;
    let acknowledged = 0;
    for (let line = await child.line(); line !== undefined; line = await child.line()) {
      last = line;
      if (Number(line)) acknowledged = Number(line);
    }
    expect(last).toBe('failed EFBIG');
    expect(await numbers.keys()).toBe(acknowledged);
    expect((await readdir(directory)).sort()).toEqual(['keys.json', 'secrets.json']);
    const { version } = (await stores.keys.findKey('Aa0000000001')) ?? {};
    expect(version).toBe(acknowledged);
  });

  it('keep files that only their owner can read', async () => {
    const child = write('config', '1');
    expect(await child.ended).toBe(0);
    await write('keys', '1').ended;
    for (const name of ['keys.json', 'secrets.json', 'config.json', 'config.history/000001.json']) {
      expect((await stat(join(directory, name))).mode & 0o777, name).toBe(0o600);
    }
    expect(await readFile(join(directory, 'keys.json'), 'utf8')).toContain('Aa0000000001');
  });
});
