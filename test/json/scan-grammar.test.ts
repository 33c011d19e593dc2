import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { JsonScanError } from '../../src/json/scan.ts';
import { scanners } from './scanners.ts';

describe.each(scanners)('the grammar of scanJsonObject, $name', ({ scan: scanJsonObject }) => {
  /** The error that the scan of `body` ends in. */
  function refusal(body: string | Uint8Array): JsonScanError {
    try {
      scanJsonObject(typeof body === 'string' ? Buffer.from(body) : body);
    } catch (error) {
      if (error instanceof JsonScanError) return error;
      throw error;
    }
    throw new Error('the document was accepted');
  }

  it('tolerates one leading byte order mark and reports its length', () => {
    const index = scanJsonObject(Buffer.from('\ufeff {"a":1}'));
    expect(index.bodyStart).toBe(3);
    expect(index.objectStart).toBe(4);
    expect(refusal('\ufeff\ufeff{"a":1}').code).toBe('malformed_json');
    expect(refusal('{"a":1}\ufeff').code).toBe('malformed_json');
    expect(refusal('\ufeff').code).toBe('malformed_json');
  });

  it.each([
    ['', 0],
    ['   ', 3],
    ['{', 1],
    ['{"a"', 4],
    ['{"a":', 5],
    ['{"a":1', 6],
    ['{"a":1,', 7],
    ['{"a":1,}', 7],
    ['{,"a":1}', 1],
    ['{"a":1 "b":2}', 7],
    ['{"a" 1}', 5],
    ['{"a"::1}', 5],
    ["{'a':1}", 1],
    ['{a:1}', 1],
    ['{"a":1]', 6],
    ['{"a":[1}', 7],
    ['{"a":[1,]}', 8],
    ['{"a":[,1]}', 6],
    ['{"a":[1 2]}', 8],
    ['{"a":01}', 6],
    ['{"a":-}', 6],
    ['{"a":-a}', 6],
    ['{"a":-01}', 7],
    ['{"a":1.}', 7],
    ['{"a":.5}', 5],
    ['{"a":+1}', 5],
    ['{"a":1e}', 7],
    ['{"a":1e+}', 8],
    ['{"a":0x1}', 6],
    ['{"a":NaN}', 5],
    ['{"a":Infinity}', 5],
    ['{"a":tru}', 8],
    ['{"a":truee}', 9],
    ['{"a":True}', 5],
    ['{"a":nul', 8],
    ['{"a":undefined}', 5],
    ['{"a":"b', 7],
    ['{"a":"b\\"}', 10],
    ['{"a":"\\x41"}', 7],
    ['{"a":"\\u00g0"}', 7],
    ['{"a":"\\u12"}', 7],
    ['{"a":"line\nbreak"}', 10],
    ['{"a":"tab\t"}', 9],
    ['{"a":"\u0000"}', 6],
    ['{"a":1}}', 7],
    ['{"a":1} x', 8],
    ['{"a":1}{"b":2}', 7],
    ['{"a":1}\u0000', 7],
    ['{"a":/* c */1}', 5],
    ['{"a":\u00a01}', 5],
    ['{"a":\u000b1}', 5],
    ['x', 0],
    ['}', 0],
  ])('refuses %j at byte %i', (text, offset) => {
    const error = refusal(text);
    expect([error.code, error.offset]).toEqual(['malformed_json', offset]);
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
  });

  it.each(['[]', '[{"a":1}]', '"a"', '1', '-1', 'true', 'false', 'null', ' \n[1'])(
    'refuses %j: not an object',
    (text) => {
      expect(refusal(text).code).toBe('not_an_object');
    },
  );

  it.each([
    ['a stray continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate half', [0xed, 0xa0, 0x80]],
    ['a character beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a character cut short', [0xe2, 0x82]],
    ['Latin-1', [0xe9]],
  ])('refuses %s as not UTF-8, wherever it stands', (_, bytes) => {
    for (const before of [0, 1, 65_533, 65_536, 200_000, 200_001]) {
      const start = Buffer.from(`{"a":"${'x'.repeat(before & 1)}${'é'.repeat(before >> 1)}`);
      const error = refusal(Buffer.concat([start, Buffer.from(bytes), Buffer.from('"}')]));
      expect(error.code).toBe('not_utf8');
      expect(error.offset).toBeGreaterThanOrEqual(start.length);
      expect(error.offset).toBeLessThan(start.length + bytes.length + 1);
    }
  });

  it('finds where a long run of stray continuation bytes starts', () => {
    expect(refusal(Buffer.alloc(200_000, 0x80))).toMatchObject({ code: 'not_utf8', offset: 0 });
    const body = Buffer.concat([Buffer.alloc(65_535, 0x20), Buffer.alloc(200_000, 0x80)]);
    expect(refusal(body)).toMatchObject({ code: 'not_utf8', offset: 65_535 });
  });

  it('refuses UTF-16', () => {
    expect(refusal(Buffer.from('\ufeff{"a":1}', 'utf16le')).code).toBe('not_utf8');
    expect(refusal(Buffer.from('{"a":1}', 'utf16le')).code).toBe('malformed_json');
  });
});
