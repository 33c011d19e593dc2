import type { FileHandle } from 'node:fs/promises';
import { fs } from '../built-in.ts';

const newline = 0x0a;

/**
 * Appends whole lines to a file: all of them or, as far as possible, none. What a full disk took of them is cut off
 * again, unless others have written after it. If the file ends in half a line (a process died while writing, a disk
 * was full), the lines begin on a new line.
 *
 * @param text lines, each with its line break
 * @throws what the file system throws; the lines may then be written again
 */
export async function appendLines(path: string, text: string): Promise<void> {
  if (!(await isRegular(path))) return fs.promises.appendFile(path, text);
  const file = await fs.promises.open(path, 'a+');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.from((await endsInHalfALine(file, size)) ? `\n${text}` : text);
    try {
      await file.appendFile(bytes);
    } catch (error) {
      await cutOff(file, size, bytes).catch(() => undefined);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/** A pipe or a device can be written to, but not read or cut. */
async function isRegular(path: string): Promise<boolean> {
  try {
    return (await fs.promises.stat(path)).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

async function endsInHalfALine(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { bytesRead, buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return bytesRead === 1 && buffer[0] !== newline;
}

async function cutOff(file: FileHandle, size: number, bytes: Buffer): Promise<void> {
  const { size: now } = await file.stat();
  const written = now - size;
  if (written <= 0 || written > bytes.length) return;
  const { buffer } = await file.read(Buffer.alloc(written), 0, written, size);
  if (buffer.equals(bytes.subarray(0, written))) await file.truncate(size);
}
