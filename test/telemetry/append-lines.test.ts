import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { fs } from '../../src/built-in.ts';
import { appendLines } from '../../src/telemetry/append-lines.ts';

let folder: string;
let files = 0;
const newPath = () => join(folder, `${++files}.jsonl`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-lines-'));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true }));

/** The next write takes so many bytes and fails, as on a disk that is full then; `meanwhile` is what others do. */
function fillDiskAfter(bytes: number, meanwhile: () => void = () => undefined) {
  const original = fs.promises.open;
  vi.spyOn(fs.promises, 'open').mockImplementationOnce(async (...all) => {
    const file = await original(...all);
    const write = file.appendFile.bind(file);
    file.appendFile = async (data) => {
      await write((data as Buffer).subarray(0, bytes));
      meanwhile();
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    return file;
  });
}

describe('lines that are appended', () => {
  it('make a file, and go behind what is there', async () => {
    const path = newPath();
    await appendLines(path, '{"a":1}\n');
    await appendLines(path, '{"b":"ü"}\n{"c":3}\n');
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":"ü"}\n{"c":3}\n');
  });

  it.each([0, 1, 8, 9, 15])(
    'are there whole and once when the disk was full after %i bytes',
    async (bytes) => {
      const path = newPath();
      await appendLines(path, '{"a":1}\n');
      fillDiskAfter(bytes);
      const lines = '{"b":2}\n{"c":3}\n';
      await expect(appendLines(path, lines)).rejects.toMatchObject({ code: 'ENOSPC' });
      expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n');
      await appendLines(path, lines);
      expect(readFileSync(path, 'utf8')).toBe(`{"a":1}\n${lines}`);
    },
  );

  it('leave alone what others have written behind half a line, and begin on a line of their own', async () => {
    const path = newPath();
    fillDiskAfter(4, () => appendFileSync(path, '{"other'));
    await expect(appendLines(path, '{"a":1}\n')).rejects.toThrow('ENOSPC');
    await appendLines(path, '{"a":1}\n');
    expect(readFileSync(path, 'utf8')).toBe('{"a"{"other\n{"a":1}\n');
  });

  it('begin on a line of their own behind the half line of a process that died', async () => {
    const path = newPath();
    writeFileSync(path, '{"torn":');
    await appendLines(path, '{"a":1}\n');
    expect(readFileSync(path, 'utf8')).toBe('{"torn":\n{"a":1}\n');
  });

  it.skipIf(process.platform === 'win32')('may go to what is no file', async () => {
    const open = vi.spyOn(fs.promises, 'open');
    await appendLines('/dev/null', '{"a":1}\n');
    expect(open).not.toHaveBeenCalled();
  });
});
