import { spawnSync } from 'node:child_process';
import { readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRuntime } from '../../src/runtime.ts';
import { removeAbandoned, withFileLock } from '../../src/stores/file/file-lock.ts';
import { identifyThisProcess } from '../../src/stores/file/process-identity.ts';
import { startChild } from './child.ts';
import { createDirectory } from './file-harness.ts';

describe('a file lock', () => {
  const runtime = createRuntime();
  let directory: string;
  let remove: () => Promise<void>;
  let path: string;

  beforeEach(async () => {
    ({ directory, remove } = await createDirectory());
    path = join(directory, 'lock');
  });
  afterEach(() => remove());

  const hold = async (more: object) => {
    const own = await identifyThisProcess();
    const since = '2030-01-01T00:00:00.000Z';
    await writeFile(path, JSON.stringify({ ...own, token: '0123456789ab', since, ...more }));
  };
  const gonePid = () => spawnSync(process.execPath, ['-e', '']).pid;

  it('is held by one at a time, is given back after a failure too, and leaves no file behind', async () => {
    let holders = 0;
    let most = 0;
    const ends = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        withFileLock(path, runtime, 10_000, async () => {
          most = Math.max(most, ++holders);
          await new Promise((resolve) => setImmediate(resolve));
          holders--;
          if (index % 5 === 0) throw new Error('failed');
          return index;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(ends.filter(({ status }) => status === 'rejected').length).toBe(4);
    expect(await readdir(directory)).toEqual([]);
  });

  it('of a process that is gone is broken, by one of many who find it, who harm none that was taken since', async () => {
    await hold({ pid: gonePid() });
    let holders = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        withFileLock(path, runtime, 15_000, async () => {
          most = Math.max(most, ++holders);
          for (let look = 0; look < 30; look++) await stat(path);
          holders--;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  it('of a process that is gone is broken also when the one who was breaking it is gone', async () => {
    await hold({ pid: gonePid() });
    const breaking = { ...(await identifyThisProcess()), pid: gonePid(), token: 'ba9876543210', since: '' };
    await writeFile(`${path}.0123456789ab.break`, JSON.stringify(breaking));
    expect(await withFileLock(path, runtime, 1_000, async () => 'held')).toBe('held');
  });

  it('of a process whose number was given to another one is broken', async () => {
    const { started } = await identifyThisProcess();
    if (started === null) return expect(process.platform).not.toBe('linux');
    await hold({ started: `${started}0` });
    expect(await withFileLock(path, runtime, 1_000, async () => 'held')).toBe('held');
  });

  it.each([
    [
      'a process that lives',
      () => hold({}),
      new RegExp(`process ${process.pid} on ${hostname()} since 2030`),
    ],
    [
      'a process of another host, gone or not',
      () => hold({ host: 'elsewhere', pid: gonePid() }),
      /on elsewhere/,
    ],
    ['somebody who left no name', () => writeFile(path, ''), /no name/],
  ])('of %s is waited for and then named, and stays', async (_, prepare, named) => {
    await prepare();
    const before = await readFile(path, 'utf8');
    const attempt = withFileLock(path, runtime, 30, async () => 'held');
    await expect(attempt).rejects.toThrow(named);
    await expect(attempt).rejects.toThrow(path);
    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(directory)).toEqual(['lock']);
  });

  it('can be rid of what processes that are gone have left beside it, and of nothing else', async () => {
    const own = await identifyThisProcess();
    const of = (pid: number) => JSON.stringify({ ...own, pid, token: '0123456789ab', since: '' });
    await writeFile(`${path}.aaaaaaaaaaaa`, of(gonePid()));
    await writeFile(`${path}.bbbbbbbbbbbb.break`, of(gonePid()));
    await writeFile(`${path}.cccccccccccc`, of(process.pid));
    await writeFile(`${path}ed.dddddddddddd`, of(gonePid()));
    await removeAbandoned(path);
    expect((await readdir(directory)).sort()).toEqual(['lock.cccccccccccc', 'locked.dddddddddddd']);
  });

  it('is taken as soon as its holder gives it back, by a process that has nothing else to do', async () => {
    await hold({});
    const child = startChild('lock-waiter.ts', [path]);
    expect(await child.line()).toBe('waiting');
    await unlink(path);
    expect(await child.line()).toBe('held');
    expect(await child.ended).toBe(0);
  });
});
