import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import {
  JsonScanError,
  rawMember,
  readMember,
  readSafeInteger,
  scanJsonObject,
} from '../../src/json/scan.ts';

function open(text: string) {
  const body = Buffer.from(text);
  return { body, index: scanJsonObject(body) };
}

describe('readMember and rawMember', () => {
  it('read one member, as a value and as it was sent', () => {
    const { body, index } = open(
      '{"a":{"b":[1,"é\\n"]},"\\u0063":null,"n":1e400,"big":9007199254740993,"z":-0,"t":true}',
    );
    expect(readMember(body, index, 'a')).toEqual({ b: [1, 'é\n'] });
    expect(readMember(body, index, 'c')).toBeNull();
    expect(readMember(body, index, 't')).toBe(true);
    expect(readMember(body, index, 'n')).toBe(Number.POSITIVE_INFINITY);
    expect(rawMember(body, index, 'a')).toBe('{"b":[1,"é\\n"]}');
    expect(rawMember(body, index, 'n')).toBe('1e400');
    expect(rawMember(body, index, 'big')).toBe('9007199254740993');
    expect(rawMember(body, index, 'z')).toBe('-0');
  });

  it('answer undefined for a member that is not there', () => {
    const { body, index } = open('{"a":{"b":1}}');
    for (const key of ['b', '', 'A', 'toString', '__proto__']) {
      expect(readMember(body, index, key)).toBeUndefined();
      expect(rawMember(body, index, key)).toBeUndefined();
      expect(readSafeInteger(body, index, key)).toBeUndefined();
    }
  });

  it('count offsets from the first byte of a body with a byte order mark', () => {
    const { body, index } = open('\ufeff{"é":"ü"}');
    expect(readMember(body, index, 'é')).toBe('ü');
  });
});

describe('readSafeInteger', () => {
  it.each(['0', '1', '100', '9007199254740991'])('reads %s', (text) => {
    const { body, index } = open(`{"max_tokens": ${text} }`);
    expect(readSafeInteger(body, index, 'max_tokens')).toBe(Number(text));
  });

  it.each([
    '-1',
    '-0',
    '1.0',
    '1.5',
    '1e3',
    '1E3',
    '1e400',
    '9007199254740992',
    '9007199254740993',
    '99999999999999999999',
    '"100"',
    'null',
    'true',
    '[1]',
    '{}',
    '""',
  ])('refuses %s, naming the member', (text) => {
    const { body, index } = open(`{"max_tokens": ${text} }`);
    let refused: unknown;
    try {
      readSafeInteger(body, index, 'max_tokens');
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(JsonScanError);
    expect(refused).toMatchObject({ code: 'bad_number', offset: 15 });
    expect((refused as Error).message).toContain('"max_tokens" must be an integer');
  });

  it('shows at most 64 characters of what it refuses', () => {
    const { body, index } = open(`{"n":"${'x'.repeat(100_000)}"}`);
    expect(() => readSafeInteger(body, index, 'n')).toThrow(/^.{1,200}$/);
    const digits = open(`{"n":${'9'.repeat(100_000)}}`);
    expect(() => readSafeInteger(digits.body, digits.index, 'n')).toThrow(/^.{1,200}$/);
  });
});
