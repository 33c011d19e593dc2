import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { scanJsonObject } from '../../src/json/scan.ts';
import {
  type JsonEdit,
  setMember,
  setMembers,
  spliceJson,
  stripByteOrderMark,
} from '../../src/json/splice.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const edit = (start: number, end: number, bytes: string): JsonEdit => ({
  start,
  end,
  bytes: Buffer.from(bytes),
});

function set(body: string, values: Record<string, unknown>): string {
  const bytes = Buffer.from(body);
  return text(spliceJson(bytes, setMembers(scanJsonObject(bytes), values)));
}

describe('spliceJson', () => {
  it('applies edits in any order and leaves every other byte as it was', () => {
    const body = Buffer.from([0x00, 0xff, 0x41, 0x42, 0x80, 0x43]);
    const before = Buffer.from(body);
    const result = spliceJson(body, [edit(5, 6, 'end'), edit(0, 0, 'start'), edit(2, 4, '')]);
    expect(Buffer.from(result)).toEqual(
      Buffer.concat([Buffer.from('start'), Buffer.from([0x00, 0xff, 0x80]), Buffer.from('end')]),
    );
    expect(body).toEqual(before);
  });

  it('gives the body itself back when there is nothing to do', () => {
    const body = Buffer.from('{}');
    expect(spliceJson(body, [])).toBe(body);
  });

  it('makes insertions at one place in the order given, and before a replacement that starts there', () => {
    const body = Buffer.from('abc');
    expect(text(spliceJson(body, [edit(1, 2, 'B'), edit(1, 1, '1'), edit(1, 1, '2')]))).toBe('a12Bc');
    expect(text(spliceJson(body, [edit(3, 3, '!'), edit(0, 3, '')]))).toBe('!');
  });

  it('refuses edits that overlap or lie outside the body', () => {
    const body = Buffer.from('abcdef');
    for (const edits of [
      [edit(0, 3, ''), edit(2, 4, '')],
      [edit(0, 3, ''), edit(1, 1, 'x')],
      [edit(1, 2, ''), edit(1, 2, '')],
      [edit(-1, 2, '')],
      [edit(2, 1, '')],
      [edit(0, 7, '')],
      [edit(Number.NaN, 1, '')],
    ]) {
      expect(() => spliceJson(body, edits)).toThrow(TypeError);
    }
  });
});

describe('setMember and setMembers', () => {
  it('replace a value and nothing else', () => {
    const body = '{ "messages" : [ {"content":"\\u00e9 \\/ é"} ] , "mod\\u0065l" :\t"old"  , "n": 1.0 }\n';
    expect(set(body, { model: 'new "name" é' })).toBe(body.replace('"old"', '"new \\"name\\" é"'));
    expect(set(body, { messages: [] })).toBe(body.replace('[ {"content":"\\u00e9 \\/ é"} ]', '[]'));
  });

  it('add a member at the end of the object', () => {
    expect(set('{"a":1}', { b: { c: true } })).toBe('{"a":1,"b":{"c":true}}');
    expect(set('{"a":1 \n}\n', { 'b"': null })).toBe('{"a":1 \n,"b\\"":null}\n');
    expect(set('{}', { a: 1 })).toBe('{"a":1}');
    expect(set(' { \n } ', { a: 1 })).toBe(' {"a":1 \n } ');
  });

  it('replace and add several members at once', () => {
    expect(set('{"a":1,"b":2}', { c: 3, b: 'x', d: 4 })).toBe('{"a":1,"b":"x","c":3,"d":4}');
    expect(set('{}', { a: 1, b: 2 })).toBe('{"a":1,"b":2}');
    expect(set('{"a":1}', {})).toBe('{"a":1}');
  });

  it('can be combined where the result is still an object', () => {
    const body = Buffer.from('{"a":1}');
    const index = scanJsonObject(body);
    const result = spliceJson(body, [
      setMember(index, 'b', 2),
      setMember(index, 'a', 0),
      setMember(index, 'c', 3),
    ]);
    expect(text(result)).toBe('{"a":0,"b":2,"c":3}');
    // Two separate insertions into an empty object would lack a comma.
    const empty = Buffer.from('{}');
    const emptyIndex = scanJsonObject(empty);
    expect(() => spliceJson(empty, [setMember(emptyIndex, 'a', 1), setMember(emptyIndex, 'b', 2)])).toThrow(
      TypeError,
    );
  });

  it('refuse what is no JSON value', () => {
    const index = scanJsonObject(Buffer.from('{"a":1}'));
    for (const value of [undefined, () => 1, Symbol('s')]) {
      expect(() => setMember(index, 'a', value)).toThrow(/"a"/);
      expect(() => setMembers(index, { b: value })).toThrow(TypeError);
    }
  });
});

describe('stripByteOrderMark', () => {
  it('takes the mark away and goes with other edits', () => {
    const body = Buffer.from('\ufeff {"a":1}');
    const index = scanJsonObject(body);
    expect(text(spliceJson(body, [setMember(index, 'a', 2), ...stripByteOrderMark(index)]))).toBe(' {"a":2}');
    expect(stripByteOrderMark(scanJsonObject(Buffer.from('{}')))).toEqual([]);
  });
});
