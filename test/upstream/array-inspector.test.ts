import * as fc from 'fast-check';
import { GatewayError } from 'headgate';
import { describe, expect, it } from 'vitest';
import { dialectByName } from '../../src/dialects/index.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { createArrayInspector } from '../../src/upstream/array-inspector.ts';
import { readFixture } from '../dialects/read-stream.ts';
import { cut, inspect } from './inspect.ts';

const elements = readFixture('gemini')
  .split('\n\n')
  .filter((event) => event !== '')
  .map((event) => event.slice('data: '.length));
const spellings = [
  `[${elements.join(',')}]`,
  `[${elements.join(',\r\n')}\n]\n`,
  ` [ \n${elements.map((one) => JSON.stringify(JSON.parse(one), null, 2)).join('\n,\n')} ] `,
];
const create = (maxBytes = 1_048_576) => createArrayInspector(dialectByName.gemini, maxBytes);
const whole = inspect(create(), [Buffer.from(spellings[0]!)]);

describe('a Gemini stream that is one JSON array', () => {
  it('reports what the same stream of events reports', () => {
    expect(whole.error).toBeUndefined();
    expect(whole.usage).toEqual({
      inputTokens: 12,
      cachedInputTokens: 3,
      outputTokens: 44,
      reasoningTokens: 32,
      source: 'reported',
    });
  });

  it.each(spellings)('comes out byte for byte, with the same usage, wherever it is cut in two', (text) => {
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at++) {
      const found = inspect(create(), cut(bytes, [at]));
      expect(found.output.equals(bytes)).toBe(true);
      expect([found.usage, found.error], `cut at ${at}`).toEqual([whole.usage, undefined]);
    }
  });

  it('reads the same in any chunks, whatever its texts hold', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('"', '\\', ']', '}', '[{', '\\"', '\ud83d'),
    );
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 5 }),
        fc.array(fc.nat({ max: 600 }), { maxLength: 8 }),
        (texts, offsets) => {
          const parts = texts.map((one) => ({
            candidates: [{ index: 0, content: { parts: [{ text: one }] } }],
          }));
          const last = {
            candidates: [{ index: 0, finishReason: 'STOP' }],
            usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 6 },
          };
          const bytes = Buffer.from(JSON.stringify([...parts, last]));
          const chunks = cut(
            bytes,
            offsets.filter((offset) => offset <= bytes.length),
          );
          const found = inspect(create(), chunks);
          expect(found.output.equals(bytes)).toBe(true);
          expect(found.usage).toMatchObject({ inputTokens: 4, outputTokens: 6 });
          expect(found.error).toBeUndefined();
        },
      ),
    );
  });

  it('is incomplete wherever it ends before its last bracket', () => {
    const bytes = Buffer.from(spellings[0]!);
    for (let length = 0; length < bytes.length; length++) {
      expect(inspect(create(), [bytes.subarray(0, length)]).error).toMatchObject({
        code: 'stream_incomplete',
      });
    }
  });

  it('is refused beyond its bound, whether the element ends or not', () => {
    const text = (end: string) => `[{"candidates":[{"content":{"parts":[{"text":"${'x'.repeat(5_000)}${end}`;
    for (const end of ['', '"}]}}]}]']) {
      const inspector = create(1_000);
      const feed = () => {
        // a chunk is in memory already: the bound is on what is kept from one to the next
        for (let at = 0; at < 5_000; at += 100) inspector.chunk(Buffer.from(text(end).slice(at, at + 100)));
      };
      expect(feed, JSON.stringify(end)).toThrow(GatewayError);
    }
  });

  it('ends with an error of the provider, without the credential in it, and with nothing of it before', () => {
    const secret = new Secret('key', 'AIza-0123456789abcdef');
    const error = (key: string) => `{"error":{"code":500,"status":"INTERNAL","message":"no ${key}"}}`;
    const before = `[${elements[0]},\n`;
    const bytes = Buffer.from(`${before}${error(secret.reveal())}, {"more": 1}]`);
    for (let at = 0; at <= bytes.length; at++) {
      const inspector = createArrayInspector(dialectByName.gemini, 1_048_576, secret);
      const { output, error: failure } = inspect(inspector, cut(bytes, [at]));
      expect(output.toString(), `cut at ${at}`).toBe(before);
      expect(failure).toMatchObject({ code: 'upstream_error' });
      const tail = Buffer.from(inspector.errorTail(failure as GatewayError) ?? []).toString();
      expect(tail).toBe(`${error('[redacted]')}]`);
      expect(JSON.parse(before + tail)).toHaveLength(2);
    }
  });

  it('ends with an error of the gateway where that of the provider is too long to be shown, and stays one document', () => {
    const secret = new Secret('key', 'AIza-0123456789abcdef');
    const inspector = createArrayInspector(dialectByName.gemini, 1_048_576, secret);
    const text = `[${elements[0]},{"error":{"code":500,"message":"${'x'.repeat(20_000)}"}}]`;
    const { output, error } = inspect(inspector, [Buffer.from(text)]);
    const tail = Buffer.from(inspector.errorTail(error as GatewayError) ?? []).toString();
    expect(JSON.parse(output.toString() + tail)).toMatchObject([{}, { error: { code: expect.any(Number) } }]);
    expect(tail.length).toBeLessThan(1_000);
  });

  it('leaves nothing of what went along in header fields in an error', () => {
    const secret = new Secret('key', 'AIza-0123456789abcdef');
    const alongside = { 'x-second-key': new Secret('second', 'second-0123456789') };
    const inspector = createArrayInspector(dialectByName.gemini, 1_048_576, secret, alongside);
    inspect(inspector, [Buffer.from('[{"error":{"code":500,"message":"no second-0123456789"}}]')]);
    const failure = inspector.failure as GatewayError;
    expect(Buffer.from(inspector.errorTail(failure) ?? []).toString()).toContain('no [redacted]');
  });

  it('has no way to say that it broke, so it says nothing', () => {
    expect(create().errorTail(new GatewayError('stream_incomplete', 'x'))).toBeUndefined();
  });
});
