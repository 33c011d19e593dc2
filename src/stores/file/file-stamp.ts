import type { BigIntStats } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/** Identifies a file's content without reading it; `absent` for a file that does not exist. */
export type FileStamp = string;

/** The stamp of a file that is not there. */
export const absent: FileStamp = 'absent';

/** What changes when a file does: inode, size, mtime. */
export function toFileStamp({ ino, size, mtimeNs }: BigIntStats): FileStamp {
  return `${ino}:${size}:${mtimeNs}`;
}

/** The current stamp of a file. @throws Error when it cannot be determined */
export async function readFileStamp(file: string): Promise<FileStamp> {
  try {
    return toFileStamp(await stat(file, { bigint: true }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw error;
  }
}

/** A file's text with the stamp it was read under. */
export interface StampedText {
  readonly stamp: FileStamp;
  /** `undefined` when the file does not exist. */
  readonly text: string | undefined;
  readonly modifiedMs: number;
}

/**
 * Reads a file. What is written to it meanwhile, or in its place, shows at the next look at its stamp.
 *
 * @throws Error when the file exists and cannot be read, or is larger than `maxBytes`
 */
export async function readStampedText(file: string, maxBytes: number): Promise<StampedText> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return { stamp: absent, text: undefined, modifiedMs: 0 };
    }
    throw error;
  }
  try {
    // taken before the read: a later write gives the file another stamp, and it is read again
    const stats = await handle.stat({ bigint: true });
    if (stats.size > maxBytes) throw new Error(`${file} has ${stats.size} bytes, more than ${maxBytes}.`);
    const text = await handle.readFile('utf8');
    return { stamp: toFileStamp(stats), text, modifiedMs: Number(stats.mtimeNs / 1_000_000n) };
  } finally {
    await handle.close();
  }
}
