import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { createJsonObserver, type JsonObserverOptions } from '../../src/json/observer.ts';

const CAPTURE = ['usage', 'model', 'id', 'error', 'n', 'schlüssel'];

function observe(chunks: (string | Uint8Array)[], options: Partial<JsonObserverOptions> = {}) {
  const observer = createJsonObserver({ capture: CAPTURE, ...options });
  for (const chunk of chunks) {
    const bytes = new Uint8Array(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    observer.feed(bytes);
    // The caller may use its buffer again at once.
    bytes.fill(0x7d);
  }
  return observer;
}

/** The bytes cut into pieces of `size`. */
function cut(text: string, size: number): Uint8Array[] {
  const bytes = Buffer.from(text);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += size) pieces.push(bytes.subarray(start, start + size));
  return pieces;
}

const REPLY =
  '{"id" : "chatcmpl-\\u00e9é😀\\\\", "mod\\u0065l":"gpt\\"}","choices":[{"message":{"content":"} ] \\"usage\\": \\\\","model":"no",' +
  '"x":[[],{},-1.5e3,true,false,null,""]}}],"n":-12.5 ,\n"schlüssel":"ß","usage":{"prompt_tokens":12,"a":[1,{"usage":2}]},"last":0}\r\n ';

const VALUES = {
  id: 'chatcmpl-éé😀\\',
  model: 'gpt"}',
  n: -12.5,
  schlüssel: 'ß',
  usage: { prompt_tokens: 12, a: [1, { usage: 2 }] },
};

describe('createJsonObserver', () => {
  it('captures top-level members and knows the end, cut into two anywhere', () => {
    const bytes = Buffer.from(REPLY);
    for (let at = 0; at <= bytes.length; at++) {
      const observer = observe([bytes.subarray(0, at), bytes.subarray(at)]);
      expect([observer.complete, observer.failed]).toEqual([true, false]);
      for (const [key, value] of Object.entries(VALUES)) expect(observer.value(key)).toEqual(value);
      expect(observer.value('error')).toBeUndefined();
      expect(observer.value('choices')).toBeUndefined();
    }
  });

  it('captures the same from pieces of any size', () => {
    for (let size = 1; size < 40; size++) {
      const observer = observe(cut(REPLY, size));
      expect(observer.complete).toBe(true);
      for (const [key, value] of Object.entries(VALUES)) expect(observer.value(key)).toEqual(value);
    }
  });

  it('is complete with the byte that ends the root value, not before, and stays so through white space', () => {
    const end = REPLY.trimEnd().length;
    const bytes = Buffer.from(REPLY.slice(0, end));
    const observer = createJsonObserver({ capture: [] });
    for (let at = 0; at < bytes.length; at++) {
      expect(observer.complete).toBe(false);
      observer.feed(bytes.subarray(at, at + 1));
      expect(observer.failed).toBe(false);
    }
    expect(observer.complete).toBe(true);
    observer.feed(Buffer.from(' \n\r\t'));
    observer.feed(new Uint8Array(0));
    expect(observer.complete).toBe(true);
  });

  it('keeps what it has captured when the document ends too early', () => {
    const observer = observe(['{"usage":{"total":3},"model":"gpt-', '5']);
    expect([observer.complete, observer.failed]).toEqual([false, false]);
    expect(observer.value('usage')).toEqual({ total: 3 });
    expect(observer.value('model')).toBeUndefined();
  });

  it.each([
    '[]',
    '[1,"a",{"usage":1}]',
    '"text \\" more"',
    'true',
    'false',
    'null',
    '{}',
    '0',
    '-1.5e+3',
    '\ufeff{}',
  ])('takes %j as a whole document', (text) => {
    for (const size of [1, 2, 100]) {
      const observer = observe(cut(text, size));
      expect([observer.complete, observer.failed]).toEqual([true, false]);
      expect(observer.value('usage')).toBeUndefined();
      observer.feed(Buffer.from('\n'));
      expect(observer.complete).toBe(true);
    }
  });

  it.each([
    '',
    ' ',
    '{',
    '[',
    '[1',
    '[1,',
    '{"a',
    '{"a\\',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '"a',
    'tru',
    '-',
    '1e',
    '1.',
  ])('takes %j as the start of a document', (text) => {
    for (const size of [1, 100]) {
      const observer = observe(cut(text, size));
      expect([observer.complete, observer.failed]).toEqual([false, false]);
    }
  });

  it.each([
    '<html>',
    'upstream error',
    '{]',
    '[}',
    '{"a":1]',
    '[1}',
    '{1:2}',
    '{"a" 1}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '[,1]',
    '[1,]',
    '[1 2]',
    '{"a":1 "b"',
    '{} {}',
    '{}x',
    '[]]',
    'truth',
    'nul1',
    'true false',
    '1 2',
    '"a" "b"',
    '{"a":tru}',
    '12a',
    'data: {"a":1}',
    '\ufeff\ufeff{}',
  ])('fails on %j, for good', (text) => {
    for (const size of [1, 3, 100]) {
      const observer = observe(cut(text, size));
      expect([observer.complete, observer.failed]).toEqual([false, true]);
      observer.feed(Buffer.from('{"usage":1}'));
      expect([observer.complete, observer.failed]).toEqual([false, true]);
      expect(observer.value('usage')).toBeUndefined();
    }
  });

  it('does not keep a member beyond the bound, and keeps the others', () => {
    const usage = '{"total":30}';
    for (const size of [1, 7, 1000]) {
      const text = `{"model":"${'x'.repeat(200)}","usage":${usage},"id":"i"}`;
      const observer = observe(cut(text, size), { maxCaptureBytes: usage.length });
      expect(observer.complete).toBe(true);
      expect(observer.value('model')).toBeUndefined();
      expect(observer.value('usage')).toEqual({ total: 30 });
      expect(observer.value('id')).toBe('i');
      expect(observe(cut(text, size), { maxCaptureBytes: usage.length - 1 }).value('usage')).toBeUndefined();
    }
  });

  it('knows a key by its longest spelling', () => {
    const usage = [...'usage'].map((unit) => `\\u00${unit.charCodeAt(0).toString(16)}`).join('');
    for (const size of [1, 5, 100]) {
      const observer = observe(cut(`{"${usage}":1,"${usage}\\u0000":2}`, size), { capture: ['usage'] });
      expect(observer.value('usage')).toBe(1);
    }
  });

  it('takes the later of two members of one name', () => {
    expect(observe(['{"n":1,"n":', '2}']).value('n')).toBe(2);
    expect(
      observe(['{"n":1,"n":"', `${'x'.repeat(50)}"}`], { maxCaptureBytes: 10 }).value('n'),
    ).toBeUndefined();
  });

  it('captures nothing from an array, from nested objects or from values', () => {
    const observer = observe(['[{"usage":1},"usage",', '["usage",{"n":1}]]']);
    expect(observer.complete).toBe(true);
    for (const key of CAPTURE) expect(observer.value(key)).toBeUndefined();
    expect(observe(['{"a":"usage","b":["n",1],"c":{"n":3}}']).value('n')).toBeUndefined();
  });

  it('answers undefined for a captured value that is no JSON when looked at closely', () => {
    const observer = observe(['{"n":1.2.3,"id":"raw \n break","model":"\\x","usage":null}']);
    expect(observer.complete).toBe(true);
    for (const key of ['n', 'id', 'model']) expect(observer.value(key)).toBeUndefined();
    expect(observer.value('usage')).toBeNull();
  });

  it('follows as many levels as maxDepth and fails on one more', () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    expect(observe([nested(1024)]).complete).toBe(true);
    expect(observe([nested(1025)]).failed).toBe(true);
    expect(observe([nested(1_000_000)]).failed).toBe(true);
    expect(observe([nested(1_000_000)], { maxDepth: 1_000_000 }).complete).toBe(true);
  });

  it('holds a bounded number of bytes however long a key, a value or the document is', () => {
    const observer = createJsonObserver({ capture: ['usage'], maxCaptureBytes: 100 });
    const filler = Buffer.alloc(65_536, 'x');
    const held: number[] = [];
    for (const [before, after] of [
      ['{"', '":1,'],
      ['"usage":"', '",'],
      ['"other":"', '","usage":1}'],
    ] as const) {
      observer.feed(Buffer.from(before));
      for (let round = 0; round < 400; round++) observer.feed(filler);
      observer.feed(Buffer.from(after));
      held.push(process.memoryUsage().arrayBuffers);
    }
    expect(observer.complete).toBe(true);
    expect(observer.value('usage')).toBe(1);
    // 26 MB went by in each of the three parts.
    expect(Math.max(...held) - Math.min(...held)).toBeLessThan(10_000_000);
  });

  it('refuses bounds that are no positive safe integers', () => {
    expect(() => createJsonObserver({ capture: [], maxCaptureBytes: 0 })).toThrow(/maxCaptureBytes/);
    expect(() => createJsonObserver({ capture: [], maxDepth: Number.NaN })).toThrow(TypeError);
  });
});
