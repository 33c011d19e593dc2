import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { toCodingRequest, toSmallRequest, toStreamRequest } from '../../bench/payloads.ts';
import { createKernel, type Kernel, type TokenCount } from '../../src/json/kernel/kernel.ts';
import { countBodyTokens, countByScript } from '../../src/limits/body-tokens.ts';
import { toPlace } from '../../src/limits/sample-places.ts';
import { kernelDocument, within } from '../json/kernel-documents.ts';

function toKernel(): Kernel {
  const kernel = createKernel();
  if (!kernel) throw new Error('this runtime has no WebAssembly');
  return kernel;
}

const kernel = toKernel();

/** What the kernel counts, where it does: it must be what the script counts, to the last bit. */
function countBoth(by: Kernel, body: Uint8Array, seed: string): TokenCount | undefined {
  const index = by.scan(body, 64, 100_000);
  const counted = index && by.count(body, index, toPlace(seed));
  if (counted) expect(counted).toEqual(countByScript(body, index.longStrings, seed));
  return counted;
}

const countText = (text: string) => countBoth(kernel, Buffer.from(text), 'req_1');

describe('the count of the kernel', () => {
  it('is that of the script for every document that it answers for', () => {
    let answered = 0;
    const caches = new Set<string | undefined>();
    fc.assert(
      fc.property(kernelDocument, fc.integer({ min: 0, max: 17 }), fc.string(), (text, at, seed) => {
        const counted = countBoth(kernel, within(Buffer.from(text), at), seed);
        if (!counted) return;
        answered++;
        caches.add(counted.cacheWrite);
      }),
      { numRuns: 3_000 },
    );
    expect(answered).toBeGreaterThan(1_000);
    expect(caches.size).toBe(3);
  });

  it('is that of the script for texts of any bytes', () => {
    const unit = fc.constantFrom(
      'a',
      'b',
      'Z',
      'Q',
      '1',
      '9',
      ' ',
      '-',
      '.',
      '\\n',
      '\\t',
      '\\r',
      '\\"',
      '\\\\',
      '\\u00e9',
      'é',
      '字',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (units, times) => {
        const text = units.join('').repeat(times);
        expect(countText(`{"t":"${text}"}`)).toBeDefined();
      }),
      { numRuns: 2_000 },
    );
  });

  it('answers for what is usual', () => {
    const session = JSON.stringify({
      tools: [{ name: 'get', input_schema: { type: 'object', properties: { url: { type: 'string' } } } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] },
        { role: 'assistant', content: [{ type: 'tool_use', name: 'get', input: { url: 'https://a.b/c' } }] },
      ],
    });
    for (const text of [toSmallRequest(), toStreamRequest(), toCodingRequest(), session]) {
      expect(countText(text)).toBeDefined();
    }
    expect(countText(session)?.cacheWrite).toBe('5m');
  });

  it('is left to the script where a string may be media, and not in arguments of tools', () => {
    for (const name of ['url', 'data', 'file_id', 'fileUri', 'file_uri', 'image_url', 'file_data']) {
      expect(countText(`{"a":[{"${name}":"AAAA"}]}`)).toBeUndefined();
      expect(countText(`{"a":[{"${name}":["AAAA"]}]}`)).toBeDefined();
      for (const text of [
        'input',
        'args',
        'arguments',
        'parameters',
        'input_schema',
        'json_schema',
        'schema',
        'response',
      ]) {
        expect(countText(`{"a":[{"${text}":{"b":[{"${name}":"AAAA"}]}}]}`)).toBeDefined();
        // not of the root, and not behind
        expect(countText(`{"${text}":{"${name}":"AAAA"}}`)).toBeUndefined();
        expect(countText(`{"a":[{"${text}":{"b":1},"${name}":"AAAA"}]}`)).toBeUndefined();
      }
    }
  });

  it('tells which cache the prompt is to be written to', () => {
    for (const [text, cacheWrite] of [
      ['{"a":{"cache_control":{"type":"ephemeral","ttl":"1h"}}}', '1h'],
      ['{"a":{"cache_control":{"ttl":"5m"}},"b":{"cache_control":{"ttl":"1h"}}}', '1h'],
      ['{"a":{"cache_control":{"ttl":"1h"}},"b":{"cache_control":{"ttl":"5m"}}}', '1h'],
      ['{"ttl":"1h","a":{"cache_control":{}}}', '5m'],
      ['{"a":{"cache_control":{"ttx":"1h"}}}', '5m'],
      ['{"a":{"cache_contr0l":{"ttl":"1h"}}}', undefined],
      ['{"a":{"cache_control":null},"ttl":"1h"}', undefined],
      ['{"cache_control" : [ ] , "ttl" : "1h"}', '1h'],
    ] as const) {
      expect([text, countText(text)?.cacheWrite]).toEqual([text, cacheWrite]);
    }
  });

  it('is of the body that was scanned, whatever was scanned since: that is copied in again, and nothing else is', () => {
    const bodies = [toCodingRequest(90_000), toSmallRequest(), toCodingRequest(300_000), '{"a":{"b":1}}'];
    const set = vi.spyOn(Uint8Array.prototype, 'set');
    const scanned = bodies.map((text) => {
      const body = Buffer.from(text);
      const index = kernel.scan(body, 64, 100_000);
      if (!index) throw new Error('not scanned');
      return { body, index };
    });
    const count = ({ body, index }: (typeof scanned)[number]) => {
      set.mockClear();
      const counted = kernel.count(body, index, toPlace('req_1'));
      const copies = set.mock.calls.filter(([from]) => from === body).length;
      expect(counted).toEqual(countByScript(body, index.longStrings, 'req_1'));
      return copies;
    };
    const [first, second, third, last] = scanned as [
      (typeof scanned)[number],
      (typeof scanned)[number],
      (typeof scanned)[number],
      (typeof scanned)[number],
    ];
    expect([last, first, third, second, first, last].map(count)).toEqual([0, 1, 1, 1, 1, 1]);
    // a document that is refused is copied in too
    kernel.scan(last.body, 64, 100_000);
    kernel.scan(Buffer.from('{"a":'), 64, 100_000);
    expect(count(last)).toBe(1);
    set.mockRestore();
  });

  it('is not of another body than the one that was indexed', () => {
    const body = Buffer.from('{"a":1}');
    const index = kernel.scan(body, 64, 100_000);
    if (!index) throw new Error('not scanned');
    expect(kernel.count(Buffer.from('{"a":"word word"}'), index, 1)).toBeUndefined();
    const other = toKernel();
    other.scan(Buffer.from('{"b":"word"}'), 64, 100_000);
    expect(other.count(body, index, 1)).toEqual(countByScript(body));
  });

  it('is rounded up by who asks for it', () => {
    const body = Buffer.from(toSmallRequest());
    const index = kernel.scan(body, 64, 100_000);
    const { tokens } = countByScript(body, index?.longStrings, 'req_1');
    expect(countBodyTokens(body, index, 'req_1')).toEqual({
      inputTokens: Math.ceil(tokens),
      cacheWrite: undefined,
    });
  });
});
