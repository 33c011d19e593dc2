import { open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Runtime } from '../../runtime.ts';
import { type FileStamp, toFileStamp } from './file-stamp.ts';

/**
 * Replaces a file's content so that a reader, or whoever comes after a crash of process or machine at any point, finds
 * all of the old content or all of the new. The file is readable by its owner only. Call it with the file's lock held.
 *
 * @returns the stamp of the new content, which no earlier content had
 */
export async function writeFileAtomically(file: string, text: string, runtime: Runtime): Promise<FileStamp> {
  const temporary = `${file}.${Buffer.from(runtime.randomBytes(6)).toString('hex')}.tmp`;
  const previousMs = await modifiedMs(file);
  const handle = await open(temporary, 'wx', 0o600);
  let stamp: FileStamp;
  try {
    await handle.writeFile(text);
    // a file system's clock ticks slowly, and inode numbers are reused: without this, two contents of one size, written
    // within one tick, could not be told apart
    const { mtimeMs } = await handle.stat();
    if (mtimeMs <= previousMs) await handle.utimes(previousMs / 1_000, (previousMs + 1) / 1_000);
    await handle.sync();
    stamp = toFileStamp(await handle.stat({ bigint: true }));
    await handle.close();
    await rename(temporary, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(file));
  return stamp;
}

/** Removes what killed writers of these files left in a directory. Call it with the lock of all of them held. */
export async function removeLeftovers(directory: string, isTheirs: (name: string) => boolean): Promise<void> {
  for (const entry of await readdir(directory)) {
    const name = /^(.+)\.[0-9a-f]{12}\.tmp$/.exec(entry)?.[1];
    if (name !== undefined && isTheirs(name)) await unlink(join(directory, entry));
  }
}

async function modifiedMs(file: string): Promise<number> {
  try {
    return Math.ceil((await stat(file)).mtimeMs);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Makes a rename survive a power failure, where directories can be synchronised (not on Windows). */
async function syncDirectory(directory: string): Promise<void> {
  const unsupported = new Set(['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP', 'EACCES']);
  try {
    const handle = await open(directory, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    if (!unsupported.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
