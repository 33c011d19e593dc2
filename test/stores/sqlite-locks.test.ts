import { describe, expect, it } from 'vitest';
import { applicationId } from '../../src/stores/sqlite/inspect-file.ts';
import { changeShared, holdLock, newFile, open, runChild, version1, withDatabase } from './sqlite-fixture.ts';

describe('SQLite stores while another process writes', () => {
  it('wait without blocking the event loop, go on reading, and write when the lock is free', async () => {
    const file = newFile();
    const { keys } = open(file);
    await keys.putKey(version1('Known0000001'), 0);
    const holder = await holdLock(file);
    let hasEnded = false;
    const writes = Promise.all(
      Array.from({ length: 20 }, (_, index) => keys.putKey(version1(`Waiting${10_000 + index}`), 0)),
    ).finally(() => {
      hasEnded = true;
    });
    const before = performance.eventLoopUtilization();
    for (let reads = 0; reads < 100; reads++) {
      expect((await keys.findKey('Known0000001'))?.kid).toBe('Known0000001');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // a wait for the lock that blocks leaves the loop no time to be idle, however fast or slow the machine is
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.8);
    expect(hasEnded).toBe(false);
    holder.release();
    expect(await writes).toEqual(Array.from({ length: 20 }, () => true));
    expect(await holder.end()).toBe(0);
  });

  it('reject each write when its time is over, say why, and have stored nothing', async () => {
    const file = newFile();
    const { migrate } = open(file);
    await migrate();
    const { keys, config } = open(file, { busyTimeoutMs: 500 });
    await keys.putKey(version1('Known0000001'), 0);
    const holder = await holdLock(file);
    // each ends while the lock is still held
    const ends = await Promise.allSettled([
      keys.putKey(version1('Refused00001'), 0),
      keys.putKey({ ...version1('Known0000001'), version: 2 }, 1),
      config.appendVersion({ author: 'a', createdAtMs: 1, digest: 'd', config: {} as never }, 0),
      keys.noteUses([{ kid: 'Known0000001', usedAtMs: 1, previous: false }]),
    ]);
    const reasons = ends.map((end) => (end.status === 'rejected' ? String(end.reason.message) : end.status));
    for (const reason of reasons)
      expect(reason).toMatch(/^SQLite store .*: the database is locked by another/);
    expect(await keys.findKey('Refused00001')).toBe(null);
    expect((await keys.findKey('Known0000001'))?.version).toBe(1);
    holder.release();
    expect(await holder.line()).toBe('released');
    expect(await keys.putKey({ ...version1('Known0000001'), version: 2 }, 1)).toBe(true);
  });

  it('let only so many writes wait, and reject the next at once', async () => {
    const file = newFile();
    const { keys, migrate } = open(file, { busyTimeoutMs: 60_000, maxWaitingWrites: 5 });
    await migrate();
    const holder = await holdLock(file);
    const put = (index: number) => keys.putKey(version1(`Queued${100_000 + index}`), 0);
    const putting = Promise.allSettled(Array.from({ length: 8 }, (_, index) => put(index)));
    // at once is before the lock is free
    await expect(put(8)).rejects.toThrow('5 writes are waiting');
    holder.release();
    const ends = await putting;
    expect(ends.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 5 }, () => 'fulfilled'),
      ...Array.from({ length: 3 }, () => 'rejected'),
    ]);
    expect(String((ends[5] as PromiseRejectedResult).reason)).toContain('5 writes are waiting');
    expect(await put(5)).toBe(true);
  });

  it('keep a process alive that has nothing to do but wait for the lock', async () => {
    const file = newFile();
    await open(file).migrate();
    const holder = await holdLock(file, 60_000);
    const child = runChild(`
      import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
      const stores = createSqliteStores({ file: ${JSON.stringify(file)}, busyTimeoutMs: 60_000 });
      await stores.config.readNumber();
      const version = { author: 'a', createdAtMs: 1, digest: 'd', config: {} };
      const appending = stores.config.appendVersion(version, 0);
      console.log('waiting');
      console.log((await appending).number);
      await stores.close();`);
    expect(await child.line()).toBe('waiting');
    // long enough for a process without anything to wait for to end
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(child.process.exitCode).toBe(null);
    holder.process.kill('SIGKILL');
    expect(await child.line()).toBe('1');
    expect(await child.end()).toBe(0);
  });

  it('open a file that another process has just made and still locks between any two of their statements', {
    timeout: 300_000,
  }, async () => {
    // before the first switch to a log, a writer's lock keeps readers out as well
    const files = Array.from({ length: 60 }, newFile);
    for (const file of files) {
      withDatabase(file, (database) => database.exec(`PRAGMA application_id = ${applicationId}`));
    }
    const child = runChild(`
      import { DatabaseSync } from 'node:sqlite';
      console.log('ready');
      for (const file of ${JSON.stringify(files)}) {
        const database = new DatabaseSync(file, { timeout: 5_000 });
        while (database.prepare('PRAGMA journal_mode').get().journal_mode !== 'wal') {
          database.exec('BEGIN EXCLUSIVE; COMMIT');
          for (const end = performance.now() + Math.random() / 5; performance.now() < end; );
        }
        database.close();
      }`);
    expect(await child.line()).toBe('ready');
    for (const file of files) {
      const stores = open(file, { busyTimeoutMs: 60_000 });
      expect(await stores.keys.putKey(version1('Known0000001'), 0)).toBe(true);
      await stores.close();
    }
    expect(await child.end()).toBe(0);
  });

  it('lose no update of three processes that change one key', async () => {
    const file = newFile();
    const { keys } = open(file, { busyTimeoutMs: 60_000 });
    await keys.putKey(version1('Shared000001'), 0);
    const children = ['a', 'b', 'c'].map((writer) => runChild(changeShared(file, writer, 40)));
    for (const child of children) {
      expect(await child.line()).toBe('done');
      expect(await child.end()).toBe(0);
    }
    const record = await keys.findKey('Shared000001');
    expect(record?.version).toBe(121);
    expect(Object.keys(record?.labels ?? {})).toHaveLength(120);
  });

  it('keep every write that was acknowledged when the writer is killed, and are not damaged', async () => {
    const file = newFile();
    for (let round = 0; round < 3; round++) {
      const child = runChild(`
        import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';
        const { config } = createSqliteStores({ file: ${JSON.stringify(file)} });
        const padding = 'x'.repeat(20_000);
        for (let number = await config.readNumber(); ; number++) {
          await config.appendVersion({ author: padding, createdAtMs: 1, digest: 'd', config: {} }, number);
          console.log(number + 1);
        }`);
      let acknowledged = 0;
      for (let lines = 0; lines < 20 + round * 7; lines++) acknowledged = Number(await child.line());
      child.process.kill('SIGKILL');
      await child.end();
      const stores = open(file);
      const number = await stores.config.readNumber();
      expect(number).toBeGreaterThanOrEqual(acknowledged);
      expect(await stores.config.readVersion(acknowledged)).not.toBe(null);
      expect(withDatabase(file, (database) => database.prepare('PRAGMA integrity_check').all())).toEqual([
        expect.objectContaining({ integrity_check: 'ok' }),
      ]);
      await stores.close();
    }
  });

  it('take all of a write back that fails in the middle, and write the next', async () => {
    const file = newFile();
    const { keys } = open(file);
    await keys.putKey(version1('Known0000001'), 0);
    // the change is noted after the key is stored: a table that refuses the note fails the write half way
    const trigger =
      "CREATE TRIGGER refuse BEFORE INSERT ON headgate_changes BEGIN SELECT RAISE(ABORT, 'no'); END";
    withDatabase(file, (database) => database.exec(trigger));
    await expect(keys.putKey({ ...version1('Known0000001'), version: 2 }, 1)).rejects.toThrow(file);
    await expect(keys.putKey(version1('Half00000001'), 0)).rejects.toThrow(file);
    expect((await keys.findKey('Known0000001'))?.version).toBe(1);
    expect(await keys.findKey('Half00000001')).toBe(null);
    withDatabase(file, (database) => database.exec('DROP TRIGGER refuse'));
    expect(await keys.putKey({ ...version1('Known0000001'), version: 2 }, 1)).toBe(true);
    const wrong = { ...version1('Wrong0000001'), team: undefined } as never;
    await expect(keys.putKey(wrong, 0)).rejects.toThrow('"team"');
    await expect(keys.putKey({ ...version1('Wrong0000001'), createdAtMs: Number.NaN }, 0)).rejects.toThrow(
      file,
    );
    expect(await keys.putKey(version1('Next00000001'), 0)).toBe(true);
  });

  it('end when they are closed, writes that wait among them, and reject every later call', async () => {
    const file = newFile();
    const { keys, close, migrate, ...others } = open(file);
    await migrate();
    const holder = await holdLock(file, 200);
    const writing = keys.putKey(version1('Waiting00001'), 0);
    await close();
    expect(await writing).toBe(true);
    expect(await holder.end()).toBe(0);
    for (const call of [
      () => keys.findKey('Waiting00001'),
      () => keys.putKey(version1('TooLate00001'), 0),
      () => others.secrets.listSecrets({ limit: 1 }),
      () => migrate(),
    ]) {
      await expect(call()).rejects.toThrow('was closed');
    }
    await close();
    expect((await open(file).keys.findKey('Waiting00001'))?.kid).toBe('Waiting00001');
  });
});
