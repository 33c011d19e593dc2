import type { BigIntStats } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/** Tells one content of a file from another without reading it; `absent` for a file that does not exist. */
export type FileStamp = string;

/** The stamp of a file that is not there. */
export const absent: FileStamp = 'absent';

/** What changes when a file does: times, size and inode. */
export function toFileStamp({ ino, size, mtimeNs }: BigIntStats): FileStamp {
  return `${ino}:${size}:${mtimeNs}`;
}

/** The stamp of a file now. @throws Error when that cannot be told */
export async function readFileStamp(file: string): Promise<FileStamp> {
  try {
    return toFileStamp(await stat(file, { bigint: true }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw error;
  }
}

/** A file's text with the stamp that it was read under. */
export interface StampedText {
  readonly stamp: FileStamp;
  /** `undefined` when the file does not exist. */
  readonly text: string | undefined;
  readonly modifiedMs: number;
}

/**
 * Reads a file; what is written into it meanwhile, in its place, is noticed by the next look at its stamp.
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
    // taken before the read: a write after it gives the file another stamp, and it is read again
    const stats = await handle.stat({ bigint: true });
    if (stats.size > maxBytes) throw new Error(`${file} has ${stats.size} bytes, more than ${maxBytes}.`);
    const text = await handle.readFile('utf8');
    return { stamp: toFileStamp(stats), text, modifiedMs: Number(stats.mtimeNs / 1_000_000n) };
  } finally {
    await handle.close();
  }
}
