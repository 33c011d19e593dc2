import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { toCodingRequest, toSmallReply, toSmallRequest, toStreamRequest } from '../../bench/payloads.ts';
import { createKernel, type Kernel } from '../../src/json/kernel/kernel.ts';
import { bodyAt, mostBodyBytes, mostDepth, mostMembers, paddingBytes } from '../../src/json/kernel/layout.ts';
import type { JsonObjectIndex } from '../../src/json/object-index.ts';
import { scanByScript } from '../../src/json/scan.ts';
import { mutate, mutation } from './documents.ts';
import { kernelDocument, within } from './kernel-documents.ts';

function toKernel(): Kernel {
  const kernel = createKernel();
  if (!kernel) throw new Error('this runtime has no WebAssembly');
  return kernel;
}

const kernel = toKernel();
const memory = (
  globalThis as unknown as { WebAssembly: { Memory: { prototype: { grow(pages: number): number } } } }
).WebAssembly.Memory.prototype;

/** All that an index says; members are asked for before the keys are listed, which changes how they are found. */
function factsOf(index: JsonObjectIndex, keys: readonly string[]) {
  const { bodyStart, objectStart, objectEnd, longStrings, isEmpty } = index;
  const members = [...keys, 'absent', 'Ã©'].map((key) => [index.get(key), index.has(key)]);
  return { bodyStart, objectStart, objectEnd, longStrings, isEmpty, members, keys: index.keys() };
}

/** Whether the kernel answered. Its answer must be that of the script, which throws for what is refused. */
function agrees(by: Kernel, body: Uint8Array, maxDepth = 64, maxKeys = 100_000): boolean {
  const found = by.scan(body, maxDepth, maxKeys);
  if (!found) return false;
  const expected = scanByScript(body, { maxDepth, maxKeys });
  const keys = scanByScript(body, { maxDepth, maxKeys }).keys();
  expect(factsOf(found, keys)).toEqual(factsOf(expected, keys));
  return true;
}

const isMine = (text: string, maxDepth?: number, maxKeys?: number) =>
  agrees(kernel, Buffer.from(text), maxDepth, maxKeys);

const offset = fc.integer({ min: 0, max: 17 });

describe('the scan of the kernel', () => {
  it('is that of the script for every document that it answers for', () => {
    let answered = 0;
    fc.assert(
      fc.property(kernelDocument, offset, (text, at) => {
        if (agrees(kernel, within(Buffer.from(text), at))) answered++;
      }),
      { numRuns: 2_000 },
    );
    expect(answered).toBeGreaterThan(1_000);
  });

  it('is that of the script when bytes are changed: what is refused it never answers for', () => {
    let answered = 0;
    fc.assert(
      fc.property(
        kernelDocument,
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        offset,
        (text, mutations, at) => {
          if (agrees(kernel, within(mutate(text, mutations), at))) answered++;
        },
      ),
      { numRuns: 6_000 },
    );
    expect(answered).toBeGreaterThan(100);
  });

  it('is that of the script for every byte at every place of a document that has everything', () => {
    const text =
      '{"a":"x\\n\\u00e9\\ud83d\\ude00","constructor":{"b":-1.5e+3,"c":[true,false,null,0]} , "k":{"prototype":""}}';
    const body = Buffer.from(text);
    let answered = 0;
    for (let place = 0; place < body.length; place++) {
      const was = body[place]!;
      for (let byte = 0; byte < 256; byte++) {
        body[place] = byte;
        if (agrees(kernel, body)) answered++;
      }
      body[place] = was;
    }
    expect(answered).toBeGreaterThan(1_000);
  });

  it('is that of the script for each beginning of a document, whatever lay in memory before', () => {
    const body = Buffer.from(toCodingRequest(40_000));
    const quotes = Buffer.alloc(60_000, '"');
    const closed = Buffer.alloc(60_000, '1}]}');
    for (let end = 0; end < 400; end++) {
      kernel.scan(end % 2 === 0 ? quotes : closed, 64, 100_000);
      expect(agrees(kernel, body.subarray(0, end))).toBe(false);
      expect(agrees(kernel, body.subarray(0, body.length - 1 - end))).toBe(false);
    }
    for (const text of [
      '{"a":1',
      '{"a":"b',
      '{"a":"b\\',
      '{"a":"\\u00',
      '{"a":tru',
      '{"a":-',
      '{"a":[',
      '{"a"',
    ]) {
      for (const rest of ['}', '"}', '\\n"}', '41"}', 'e}', '1}', ']}', ':1}']) {
        expect(isMine(text + rest) || true).toBe(true);
        // of the document before, what would make this one whole lies where this one ends
        expect(isMine(text)).toBe(false);
      }
    }
  });

  it('is that of the script wherever in a long string something is escaped, or is not allowed', () => {
    const good = ['\\n', '\\\\', '\\\\\\"', '\\b', '\\u0041', '\\ud83d\\ude00', 'é', '\\\\'.repeat(40)];
    const bad = ['\\x', '\\u00g0', '\\ud83d', '\n', '\\\n', '"', '\\\\"'];
    for (let at = 0; at < 200; at++) {
      const around = (text: string) => `{"a":"${'x'.repeat(at)}${text}${'y'.repeat(at % 70)}","b":[]}`;
      for (const text of good) expect(isMine(around(text))).toBe(true);
      for (const text of bad) expect(isMine(around(text))).toBe(false);
    }
  });

  it.each([3, 4, 5, 64])('is that of the script for a body that ends with page %i of memory', (page) => {
    const most = page * 65_536 - bodyAt - paddingBytes;
    for (const less of [0, 1, 2, 15, 16, 17]) {
      const fresh = toKernel();
      const head = '{"model":"m","messages":["';
      const body = Buffer.from(`${head}${'x'.repeat(most - less - head.length - 3)}"]}`);
      expect(body.length).toBe(most - less);
      expect(agrees(fresh, body)).toBe(true);
      for (const end of ['\\', '"', '\\u', '\\u0', 'x', '\\ud83d\\', '[', '-', 't', ' ']) {
        const open = Buffer.from(body);
        open.write(end, open.length - end.length, 'latin1');
        expect(agrees(fresh, open)).toBe(false);
      }
    }
  });

  it('answers for what is usual: chats, streams, tools, replies, sessions of 400 kB, indented and in any script', () => {
    const messages = {
      model: 'claude-sonnet-4-5',
      max_tokens: 1024,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      tools: [{ name: 'get', input_schema: { type: 'object', properties: { url: { type: 'string' } } } }],
      messages: [
        { role: 'user', content: '東京の天気 😀 "quoted"\n' },
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'toolu_1', name: 'get', input: { url: 'a' } }],
        },
      ],
    };
    const gemini = {
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
      generationConfig: { maxOutputTokens: 5 },
    };
    for (const text of [
      toSmallRequest(),
      toStreamRequest(),
      toSmallReply(),
      toCodingRequest(),
      JSON.stringify(messages),
      JSON.stringify(messages, null, 2),
      JSON.stringify(JSON.parse(toCodingRequest()), null, '\t').replaceAll('\n', '\r\n'),
      JSON.stringify(gemini),
      '{}',
    ]) {
      expect([text.slice(0, 40), isMine(text)]).toEqual([text.slice(0, 40), true]);
    }
  });

  it('is left to the script where the kernel has a bound', () => {
    const keys = (number: number) =>
      `{${Array.from({ length: number }, (_, key) => `"k${key}":0`).join(',')}}`;
    const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    const long = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;
    expect([isMine(keys(mostMembers)), isMine(keys(mostMembers + 1))]).toEqual([true, false]);
    expect([isMine(nested(mostDepth), 1e9), isMine(nested(mostDepth + 1), 1e9)]).toEqual([true, false]);
    expect([isMine(nested(64)), isMine(nested(65))]).toEqual([true, false]);
    expect([isMine(keys(9), 64, 9), isMine(keys(9), 64, 8)]).toEqual([true, false]);
    expect(isMine('{"a":{"b":1}}', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)).toBe(true);
    expect([isMine(long(mostBodyBytes)), isMine(long(mostBodyBytes + 1))]).toEqual([true, false]);
    expect(isMine(`{"${'k'.repeat(65)}":1}`)).toBe(false);
    expect(isMine('\ufeff{"a":1}')).toBe(false);
    expect(isMine('{"\\u0061":1}')).toBe(false);
    expect(isMine('{"a":"\\u0000"}')).toBe(false);
  });

  it('has as many long strings as the largest body can hold', () => {
    const item = `"${'x'.repeat(2_048)}"`;
    const head = '{"a":[';
    const items = Math.floor((mostBodyBytes - head.length - 1) / (item.length + 1));
    const body = Buffer.from(`${head}${new Array(items).fill(item).join(',')}]}`);
    expect(agrees(toKernel(), body)).toBe(true);
  });

  it('takes memory as the largest body so far needs it', () => {
    const grow = vi.spyOn(memory, 'grow');
    const fresh = toKernel();
    for (const bytes of [1_000, 32_000, 100_000, 90_000, 100_000, 5_000_000, 400_000]) {
      fresh.scan(Buffer.from(`{"a":"${'x'.repeat(bytes)}"}`), 64, 100_000);
    }
    expect(grow.mock.calls).toEqual([[3], [6]]);
    grow.mockRestore();
  });

  it('is left to the script where memory cannot be had', () => {
    const fresh = toKernel();
    const grow = vi.spyOn(memory, 'grow').mockImplementation(() => {
      throw new RangeError('no memory');
    });
    expect(agrees(fresh, Buffer.from(`{"a":"${'x'.repeat(100_000)}"}`))).toBe(false);
    expect(agrees(fresh, Buffer.from(`{"a":"${'x'.repeat(90_000)}"}`))).toBe(false);
    expect(agrees(fresh, Buffer.from(`{"a":"${'x'.repeat(30_000)}"}`))).toBe(true);
    expect(grow).toHaveBeenCalledTimes(1);
    grow.mockRestore();
  });
});

describe('a runtime', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('without WebAssembly has no kernel', () => {
    vi.stubGlobal('WebAssembly', undefined);
    expect(createKernel()).toBeUndefined();
  });

  it('that compiles nothing has no kernel', () => {
    vi.stubGlobal('WebAssembly', {
      Module: class {
        constructor() {
          throw new Error('code generation is disallowed');
        }
      },
    });
    expect(createKernel()).toBeUndefined();
  });
});
