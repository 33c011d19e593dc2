import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { JsonScanError, type JsonScanOptions } from '../../src/json/scan.ts';
import { scanners } from './scanners.ts';

/** Every character as `\uXXXX`. */
const escapeAll = (text: string) =>
  [...text].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

describe.each(scanners)('scanJsonObject, $name', ({ scan: scanJsonObject }) => {
  /** The error that the scan of `body` ends in. */
  function refusal(body: string | Uint8Array, options?: JsonScanOptions): JsonScanError {
    try {
      scanJsonObject(typeof body === 'string' ? Buffer.from(body) : body, options);
    } catch (error) {
      if (error instanceof JsonScanError) return error;
      throw error;
    }
    throw new Error('the document was accepted');
  }

  const scan = (text: string, options?: JsonScanOptions) => scanJsonObject(Buffer.from(text), options);

  it('tells where each top-level member stands', () => {
    const text =
      ' { "model" : "gpt" ,"messages":[{"a":[1,{}]}],"n":-1.5e+3,"t":true,"f":false,"z":null,"o":{"é":1}}\n';
    const body = Buffer.from(text);
    const index = scanJsonObject(body);
    const slices = index.keys().map((key) => {
      const { keyStart, valueStart, valueEnd, kind } = index.get(key)!;
      return [key, String.fromCharCode(body[keyStart]!), body.toString('utf8', valueStart, valueEnd), kind];
    });
    expect(slices).toEqual([
      ['model', '"', '"gpt"', 'string'],
      ['messages', '"', '[{"a":[1,{}]}]', 'array'],
      ['n', '"', '-1.5e+3', 'number'],
      ['t', '"', 'true', 'true'],
      ['f', '"', 'false', 'false'],
      ['z', '"', 'null', 'null'],
      ['o', '"', '{"é":1}', 'object'],
    ]);
    expect(index.objectStart).toBe(1);
    expect(body[index.objectEnd]).toBe(0x7d);
    expect(body.toString('utf8', index.objectEnd)).toBe('}\n');
    expect(index.bodyStart).toBe(0);
    expect(index.isEmpty).toBe(false);
  });

  it('finds members by their decoded key, in small and in large objects', () => {
    const small = scan('{"mod\\u0065l":1,"é":2,"":3,"constructor":4,"toString":5}');
    expect(small.keys()).toEqual(['model', 'é', '', 'constructor', 'toString']);
    for (const key of small.keys()) expect(small.has(key)).toBe(true);
    // The bytes of "é" read as Latin-1: no key of this document.
    const plain = scan('{"é":2}');
    expect(plain.has('Ã©')).toBe(false);
    expect(plain.has('é')).toBe(true);
    expect(plain.has('model')).toBe(false);
    expect(scan('{"a\\\\":1,"a\\"":2,"a\\n":3}').keys()).toEqual(['a\\', 'a"', 'a\n']);
    expect(plain.get('hasOwnProperty')).toBeUndefined();

    const members = Array.from({ length: 500 }, (_, number) => `"key${number}":${number}`);
    const large = scan(`{${members.join(',')}}`);
    expect(large.keys()).toHaveLength(500);
    expect(large.get('key499')?.kind).toBe('number');
    expect(large.has('key500')).toBe(false);
  });

  it('keeps keys that look like array indexes in the order of the document', () => {
    const index = scan('{"10":1,"9":2,"-0":3,"00":4,"4294967295":5,"1":6}');
    expect(index.keys()).toEqual(['10', '9', '-0', '00', '4294967295', '1']);
    expect(refusal('{"1":1,"2":2,"1":3}').code).toBe('duplicate_key');
  });

  it('reports an empty object as empty', () => {
    for (const text of ['{}', '{ \r\n\t}', '  {}  ']) {
      const index = scan(text);
      expect(index.isEmpty).toBe(true);
      expect(index.keys()).toEqual([]);
      expect(text[index.objectStart]).toBe('{');
      expect(text[index.objectEnd]).toBe('}');
    }
  });

  it('works on any view of bytes, wherever it starts in its buffer', () => {
    const text = Buffer.from('{"model":"a long enough string to be read a word at a time \\" é","n":[1]}');
    for (let shift = 0; shift < 9; shift++) {
      const around = new Uint8Array(text.length + 20).fill(0x22);
      around.set(text, shift);
      const body = around.subarray(shift, shift + text.length);
      expect(scanJsonObject(body).keys()).toEqual(['model', 'n']);
    }
  });

  it('refuses a top-level key that is there twice, however it is spelt', () => {
    for (const text of [
      '{"model":1,"model":2}',
      '{"model":1,"mod\\u0065l":2}',
      '{"\\u006dodel":1,"model":2}',
      '{"a\\/b":1,"a/b":2}',
      '{"é":1,"\\u00e9":2}',
      '{"😀":1,"\\ud83d\\ude00":2}',
      `{${Array.from({ length: 40 }, (_, number) => `"k${number}":0`).join(',')},"k3":1}`,
      `{"${'x'.repeat(5000)}":1,"${'x'.repeat(5000)}":2}`,
    ]) {
      const error = refusal(text);
      expect(error.code).toBe('duplicate_key');
      expect(Buffer.from(text)[error.offset]).toBe(0x22);
    }
    expect(refusal('{"model":1,"mod\\u0065l":2}').message).toContain('"model"');
  });

  it('allows one key in several objects, and twice in a nested one', () => {
    expect(scan('{"a":{"a":1,"b":{"a":2}},"b":[{"a":1},{"a":2}],"c":{"x":1,"x":2}}').keys()).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('refuses __proto__ as a key at any depth and in any spelling', () => {
    for (const text of [
      '{"__proto__":1}',
      '{"a":{"__proto__":{"admin":true}}}',
      '{"a":[[{"b":1,"__proto__":1}]]}',
      '{"\\u005f_proto__":1}',
      '{"a":{"\\u005F\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f\\u005f":1}}',
    ]) {
      expect(refusal(text).code).toBe('forbidden_key');
    }
    expect(scan('{"a":"__proto__","__proto":1,"_proto__":2,"__PROTO__":3}').keys()).toHaveLength(4);
  });

  it('refuses a prototype within a constructor, and neither of them alone', () => {
    for (const text of [
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"a":[{"constructor":{"x":1,"prototype":1}}]}',
      '{"\\u0063onstructor":{"prototyp\\u0065":1}}',
      `{"${escapeAll('constructor')}":{"${escapeAll('prototype')}":1}}`,
      '{"a":{"constructor":{"x":{"y":[]},"prototype":1}}}',
    ]) {
      expect(refusal(text).code).toBe('forbidden_key');
    }
    for (const text of [
      '{"constructor":{"type":"string"}}',
      '{"prototype":{"constructor":1}}',
      '{"constructor":1,"prototype":2}',
      '{"constructor":null,"a":{"prototype":2}}',
      '{"constructor":{"a":{"prototype":1}}}',
      '{"constructor":[{"prototype":1}]}',
      '{"constructor":{},"a":{"prototype":1}}',
    ]) {
      expect(scan(text).isEmpty).toBe(false);
    }
  });

  it('refuses escapes of half a surrogate pair in keys and values', () => {
    for (const text of [
      '{"a":"\\ud800"}',
      '{"a":"\\udc00"}',
      '{"a":"\\ud83dx"}',
      '{"a":"\\ud83d\\n"}',
      '{"a":"\\ud83d\\ud83d\\ude00"}',
      '{"a":"\\ude00\\ud83d"}',
      '{"a":"\\ude00\\ude00"}',
      '{"a":"\\ud83d\\ud83d"}',
      '{"\\uD800":1}',
      '{"a":[{"\\uDFFF":1}]}',
    ]) {
      expect(refusal(text).code).toBe('lone_surrogate');
    }
    expect(refusal('{"a":"\\ud83d\\u12"}').code).toBe('lone_surrogate');
    expect(scan('{"a":"\\ud83d\\ude00\\uD83D\\uDE00 \\u00e9 😀"}').keys()).toEqual(['a']);
  });

  it('refuses the NUL character and says so', () => {
    for (const text of ['{"a":"x\\u0000"}', '{"\\u0000":1}']) {
      const error = refusal(text);
      expect(error.code).toBe('malformed_json');
      expect(error.message).toContain('NUL');
    }
  });

  it('accepts as many levels as maxDepth and not one more', () => {
    const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(scan(nested(1_000)).keys()).toEqual(['a']);
    expect(refusal(nested(1_001)).code).toBe('too_deep');
    expect(scan(nested(3), { maxDepth: 3 }).keys()).toEqual(['a']);
    expect(refusal(nested(4), { maxDepth: 3 }).code).toBe('too_deep');
    expect(scan('{}', { maxDepth: 1 }).isEmpty).toBe(true);
    expect(refusal('{"a":{}}', { maxDepth: 1 }).code).toBe('too_deep');
  });

  it('stops at the bound in a document of a million levels, and can walk all of them when allowed to', () => {
    const levels = 1_000_000;
    const arrays = `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(refusal(arrays)).toMatchObject({ code: 'too_deep', offset: 5 + 999 });
    expect(scan(arrays, { maxDepth: levels + 1 }).keys()).toEqual(['a']);
    expect(refusal('{"a":'.repeat(levels))).toMatchObject({ code: 'too_deep', offset: 5 * 1_000 });
    expect(refusal('['.repeat(levels)).code).toBe('not_an_object');
    // An absurd bound costs no memory.
    expect(scan('{"a":[]}', { maxDepth: Number.MAX_SAFE_INTEGER }).keys()).toEqual(['a']);
  });

  it('counts the keys of all objects and stops at the bound', () => {
    const keys = Array.from({ length: 1_000_000 }, (_, number) => `"${number}":0`).join(',');
    expect(refusal(`{${keys}}`).code).toBe('too_many_keys');
    expect(refusal(`{"a":[{${keys}}]}`).code).toBe('too_many_keys');
    expect(scan(`{${keys}}`, { maxKeys: 1_000_000 }).get('999999')?.kind).toBe('number');
    expect(scan('{"a":{"b":1},"c":[{"d":1}]}', { maxKeys: 4 }).keys()).toEqual(['a', 'c']);
    expect(refusal('{"a":{"b":1},"c":[{"d":1}]}', { maxKeys: 3 }).code).toBe('too_many_keys');
  });

  it('accepts a string of ten megabytes', () => {
    const body = Buffer.from(`{"a":"${'0123456789'.repeat(1_000_000)}","b":1}`);
    const index = scanJsonObject(body);
    expect(index.get('a')?.valueEnd).toBe(5 + 10_000_002);
    expect(index.has('b')).toBe(true);
  });

  it('never shows more than 64 characters of the document, nor a control character of it', () => {
    const long = `\\u0007\\u001b[31m${'é'.repeat(500)}`;
    for (const text of [
      `{"${long}":1,"${long}":2}`,
      '{"a":\u001b}',
      '{"a":"\u0007"}',
      `${'é'.repeat(200)}`,
    ]) {
      const { message } = refusal(text);
      expect(message).toMatch(/^[\x20-\x7e]+$/);
      expect(message.match(/\\u00e9/g)?.length ?? 0).toBeLessThanOrEqual(64);
      expect(message.length).toBeLessThan(600);
    }
  });

  it('refuses bounds that are no positive safe integers', () => {
    for (const bound of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => scan('{}', { maxDepth: bound })).toThrow(TypeError);
      expect(() => scan('{}', { maxKeys: bound })).toThrow(/maxKeys/);
    }
  });
});
