import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JsonScanError, scanByScript } from '../../src/json/scan.ts';

// The native check takes real typed arrays only, and here the scanner is given a body that counts how it is read.
vi.mock('node:buffer', async (load) => ({
  ...(await load<typeof import('node:buffer')>()),
  isUtf8: () => true,
}));

let reads = 0;

beforeEach(() => {
  reads = 0;
  const { getInt32 } = DataView.prototype;
  vi.spyOn(DataView.prototype, 'getInt32').mockImplementation(function (
    this: DataView,
    offset,
    isLittleEndian,
  ) {
    reads++;
    return getInt32.call(this, offset, isLittleEndian);
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

function toCountingBody(text: string): Uint8Array {
  return new Proxy(new TextEncoder().encode(text), {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
      return Reflect.get(target, key, target);
    },
  });
}

function countReads(text: string): { perByte: number; code: string } {
  reads = 0;
  let code = 'accepted';
  try {
    scanByScript(toCountingBody(text));
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    code = error.code;
  }
  return { perByte: reads / text.length, code };
}

describe('the work of scanJsonObject', () => {
  const list = (size: number, make: (number: number) => string) =>
    Array.from({ length: size }, (_, n) => make(n)).join(',');
  const shapes: [string, string, (size: number) => string][] = [
    ['many top-level keys', 'accepted', (size) => `{${list(size, (n) => `"k${n}":0`)}}`],
    ['many escaped top-level keys', 'accepted', (size) => `{${list(size, (n) => `"\\u0061${n}":0`)}}`],
    [
      'long keys that differ at their end',
      'accepted',
      (size) => `{${list(16, (n) => `"${'x'.repeat(size)}${n + 10}":0`)}}`,
    ],
    [
      'long escaped nested keys',
      'accepted',
      (size) => `{"a":{${list(16, (n) => `"${'\\n'.repeat(size)}${n}":0`)}}}`,
    ],
    ['many numbers', 'accepted', (size) => `{"a":[${'1,'.repeat(size)}1]}`],
    ['a long number', 'accepted', (size) => `{"a":${'1'.repeat(size)}}`],
    ['a long string', 'accepted', (size) => `{"a":"${'x'.repeat(size)}"}`],
    ['many escapes', 'accepted', (size) => `{"a":"${'\\n\\ud83d\\ude00'.repeat(size)}"}`],
    ['a string without its end', 'malformed_json', (size) => `{"a":"${'\\"'.repeat(size)}`],
    ['many small objects', 'accepted', (size) => `{"a":[${'{"b":{}},'.repeat(size)}0]}`],
    [
      'white space',
      'accepted',
      (size) => `{"a":1${' '.repeat(size)},${'\n'.repeat(size)}"b":2}${'\t'.repeat(size)}`,
    ],
    ['too many levels', 'too_deep', (size) => `{"a":${'['.repeat(1_000 + size)}`],
  ];

  it.each(shapes)('is linear in the size of the body: %s', (_, code, make) => {
    const small = countReads(make(200));
    const large = countReads(make(6000));
    expect([small.code, large.code]).toEqual([code, code]);
    // Thirty times the size; anything quadratic would show thirty times the reads per byte.
    expect(large.perByte).toBeLessThan(small.perByte * 2 + 1);
    expect(large.perByte).toBeLessThan(12);
  });

  it('ends at the first fault, however much follows', () => {
    const { code } = countReads(`{"a":1,"a":2,"b":[${'1,'.repeat(50_000)}1]}`);
    expect(code).toBe('duplicate_key');
    expect(reads).toBeLessThan(200);
  });
});
