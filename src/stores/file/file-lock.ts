import { link, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Runtime } from '../../runtime.ts';
import { pause } from './pause.ts';
import { identifyThisProcess, isGone, type ProcessIdentity } from './process-identity.ts';

interface Holder extends ProcessIdentity {
  readonly token: string;
  /** When the lock was taken, for people. */
  readonly since: string;
}

/**
 * Runs `action` while this process alone holds the lock file `path`. A lock whose process is gone is broken; one whose
 * process lives, or may live on another host, is waited for.
 *
 * @throws Error when the lock is still held after `waitMs`, naming the holder
 */
export async function withFileLock<Result>(
  path: string,
  runtime: Runtime,
  waitMs: number,
  action: () => Promise<Result>,
): Promise<Result> {
  const token = Buffer.from(runtime.randomBytes(6)).toString('hex');
  const own = `${path}.${token}`;
  const since = new Date(runtime.now()).toISOString();
  const holder: Holder = { ...(await identifyThisProcess()), token, since };
  await writeFile(own, JSON.stringify(holder), { flag: 'wx', mode: 0o600 });
  try {
    await take(own, path, runtime, waitMs);
  } finally {
    await unlink(own);
  }
  try {
    return await action();
  } finally {
    await release(path, token);
  }
}

/** Only our own: somebody may have removed the lock by hand, and another holds it now. */
async function release(path: string, token: string): Promise<void> {
  const holder = await readHolder(path);
  if (typeof holder === 'object' && holder.token === token) await unlink(path).catch(ignoreAbsent);
}

/** Removes what is left of processes killed while waiting for the lock or breaking one. Call it with the lock held. */
export async function removeAbandoned(path: string): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.`;
  for (const entry of await readdir(directory)) {
    if (!entry.startsWith(prefix)) continue;
    const holder = await readHolder(join(directory, entry));
    if (typeof holder === 'object' && (await isGone(holder))) {
      await unlink(join(directory, entry)).catch(ignoreAbsent);
    }
  }
}

async function take(own: string, path: string, runtime: Runtime, waitMs: number): Promise<void> {
  const deadlineMs = runtime.monotonicMs() + waitMs;
  for (;;) {
    try {
      // a link appears with its content or not at all, so that no lock is ever seen without its holder
      return await link(own, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const leftMs = deadlineMs - runtime.monotonicMs();
    const holder = await readHolder(path);
    if (holder === 'nobody') continue;
    if (leftMs <= 0) throw lockedError(path, holder, waitMs);
    if (holder !== 'unknown' && (await isGone(holder))) await breakLock(path, holder, runtime, leftMs);
    else await pause(runtime, 1 + runtime.random() * 4);
  }
}

/**
 * Removes the lock of a process that is gone. Of all that find it only one may do so, and only while it is that very
 * lock: otherwise one could remove a lock that another has just taken.
 */
async function breakLock(path: string, holder: Holder, runtime: Runtime, waitMs: number): Promise<void> {
  await withFileLock(`${path}.${holder.token}.break`, runtime, waitMs, () => release(path, holder.token));
}

async function readHolder(path: string): Promise<Holder | 'nobody' | 'unknown'> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'nobody';
    throw error;
  }
  try {
    const { pid, host, started, token, since } = JSON.parse(text) as Holder;
    const isWhole = Number.isSafeInteger(pid) && pid > 0 && /^[0-9a-f]{12}$/.test(token);
    return isWhole ? { pid, host: String(host), started, token, since: String(since) } : 'unknown';
  } catch {
    return 'unknown';
  }
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function lockedError(path: string, holder: Holder | 'unknown', waitMs: number): Error {
  const who =
    holder === 'unknown'
      ? 'someone who left no name'
      : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return new Error(
    `${path} is held by ${who}, still after ${waitMs} ms. If that process is gone, remove the file.`,
  );
}
