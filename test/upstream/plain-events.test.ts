import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dialect, DialectName } from '../../src/dialects/dialect.ts';
import { dialectByName } from '../../src/dialects/index.ts';
import { endOfPlainEvent } from '../../src/dialects/plain-events.ts';
import { createEventInspector } from '../../src/upstream/event-inspector.ts';
import { dataOf } from '../../src/upstream/events.ts';
import { inspect } from './inspect.ts';

const chunk = (fields: string) => `data: {"id":"c","choices":[{"index":0,${fields}}]}\n\n`;
const delta = (text: string) => chunk(`"delta":{"content":${JSON.stringify(text)}},"finish_reason":null`);
const block = (text: string) =>
  `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"text":${JSON.stringify(text)}}}\n\n`;

const spoken = (text: string) =>
  `event: response.output_text.delta\ndata: ${JSON.stringify({ type: 'response.output_text.delta', delta: text })}\n\n`;
const told = (text: string, more: object = {}) =>
  `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text }] }, index: 0, ...more }], usageMetadata: { candidatesTokenCount: text.length } })}\n\n`;
const withCrlf = (event: string) => event.replaceAll('\n', '\r\n');

/** Ordinary events and, among them, everything that must not pass for one. */
const events: Partial<Record<DialectName, readonly string[]>> = {
  'openai-chat': [
    delta('a'),
    delta('more text'),
    delta('{"usage":{"prompt_tokens":1}}\n\n[DONE]'),
    delta('x'.repeat(300)),
    delta('an error, "error": {"type":"e"} and error'),
    chunk('"delta":{"content":"none"},"error":null'),
    chunk('"delta":{"content":"one"},"error" : {"type":"overloaded"}'),
    chunk('"delta":{},"finish_reason":"stop"'),
    'data: {"choices":[{"index":1,"delta":{"content":"b"}}]}\n\n',
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n',
    'data: {"choices":[],"usage"  :  {"prompt_tokens":5,"completion_tokens":6}}\n\n',
    'data: {"error":{"type":"server_error","message":"it broke"}}\n\n',
    'event: error\ndata: {"message":"it broke"}\n\n',
    'data: {"choices":[{"index":0,"delta":\ndata: {"content":"in two lines"}}]}\n\n',
    'data: {"choices":[{"index":0,"delta":{"content":"c"}}]}\r\n\r\n',
    withCrlf(delta('e')),
    withCrlf(delta('f')).replace('\r\n\r\n', '\r\n\n'),
    withCrlf(delta('g')).replace('\r\n\r\n', '\r\r\n'),
    'data: {"choices":[]}\rdata: {"usage":{"prompt_tokens":9,"completion_tokens":9}}\n\n',
    'data: {"cut":"off\n\n',
    'data: {"cut":{}\n\n\n',
    'data:{"choices":[{"index":0,"delta":{"content":"d"}}]}\n\n',
    ': {a comment}\n\n',
    'id: {1}\n\n',
    'data: [DONE]\n\n',
    '\n\n',
  ],
  'anthropic-messages': [
    block('a'),
    block('x'.repeat(300)),
    block('an error, "error":{"type":"e"}'),
    block('event: message_stop\ndata: {"type":"message_stop"}'),
    'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n',
    'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":5}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
    'event: content_block_delta\ndata: {"cut":"off\n\n',
    'event: content_block_delta\ndata: {}\nevent: message_stop\n\n',
    'event: content_block_delta\r\ndata: {}\r\n\r\n',
    ': ping\n\n',
  ],
  'openai-responses': [
    spoken('a'),
    spoken('x'.repeat(300)),
    spoken('an error, "error":{"type":"e"}'),
    spoken('event: response.completed'),
    'event: response.output_text.done\ndata: {"type":"response.output_text.done","text":"a"}\n\n',
    'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4}}}\n\n',
    'event: response.failed\ndata: {"type":"response.failed","response":{"error":{"code":"server_error"}}}\n\n',
    'event: error\ndata: {"type":"error","code":"server_error"}\n\n',
    'data: {"type":"response.output_text.delta","delta":"b"}\n\n',
    'event: response.output_text.delta\ndata: {"cut":"off\n\n',
    'event: response.output_text.delta\ndata: {}\nevent: response.completed\n\n',
    withCrlf(spoken('c')),
    ': ping\n\n',
  ],
  gemini: [
    told('a'),
    told('more text'),
    told('{"usageMetadata":\n\ndata: {"'),
    told('usageMetadata'),
    withCrlf(told('bc')),
    withCrlf(told('bcd')).replace('\r\n\r\n', '\r\n\n'),
    told('x'.repeat(300)),
    told('the end', { finishReason: 'STOP' }),
    told('b', { index: 1 }),
    'data: {"candidates":[{"content":{"parts":[{"text":"without"}]},"index":0}]}\n\n',
    'data: {"candidates":[{"content":{"parts":[{"text":"usageMetadata"}]},"index":0}]}\n\n',
    'data: {"candidates":[{"index":0}],"usageMetadata":{"candidatesTokenCount":\ndata: 7}}\n\n',
    'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n',
    'data: {"error":{"status":"UNAVAILABLE"}}\n\n',
    'data: {"cut":"off\n\n',
    ': ping\n\n',
  ],
};

/** The dialect as it is when its reader sees every event. */
function seeingAll(dialect: Dialect): Dialect {
  return {
    ...dialect,
    createStreamReader: (options) =>
      Object.defineProperties(dialect.createStreamReader(options), {
        pass: { value: undefined },
        passBytes: { value: undefined },
      }),
  };
}

function follow(
  dialect: Dialect,
  text: string,
  cuts: readonly number[],
  options: { readonly dropUsage: boolean; readonly onMalformed: 'fail' | 'skip' },
) {
  const inspector = createEventInspector({
    dialect,
    requestId: 'req_1',
    maxEventBytes: 200,
    inputTokens: 7,
    ...options,
  });
  const edges = [0, ...cuts.map((at) => at % (text.length + 1)).sort((a, b) => a - b), text.length];
  const chunks = edges.slice(1).map((end, index) => Buffer.from(text.slice(edges[index], end)));
  try {
    const { output, usage, error } = inspect(inspector, chunks);
    const { hasBegun, isWhole, isEmpty, skipped } = inspector;
    // a line break more between two events says nothing: whether it goes with the one before or behind it depends on the cuts
    const said = output.toString().replaceAll(/(?:\r\n|\r|\n){2,}/g, '\n\n');
    return { output: said, usage, error: error?.code, hasBegun, isWhole, isEmpty, skipped };
  } catch (error) {
    return { thrown: (error as Error).message };
  }
}

describe.each(Object.entries(events))('events of %s that are told without being parsed', (name, kinds) => {
  const dialect = dialectByName[name as DialectName];

  it('are told as if they had been', () => {
    const ordinary = kinds[0] as string;
    // mostly ordinary, as streams are
    const event = fc.oneof(
      { weight: 3, arbitrary: fc.constant(ordinary) },
      { weight: 3, arbitrary: fc.constantFrom(...kinds.slice(0, 3)) },
      { weight: 1, arbitrary: fc.constantFrom(...kinds) },
    );
    fc.assert(
      fc.property(
        // of some more than a kilobyte no text is made as a whole
        fc.oneof(fc.array(event, { maxLength: 12 }), fc.array(event, { minLength: 12, maxLength: 40 })),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.record({
          dropUsage: fc.boolean(),
          onMalformed: fc.constantFrom('fail' as const, 'skip' as const),
        }),
        (parts, cuts, options) => {
          const text = ordinary + parts.join('');
          expect(follow(dialect, text, cuts, options)).toEqual(
            follow(seeingAll(dialect), text, cuts, options),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('are those that streams mostly consist of', () => {
    const reader = dialect.createStreamReader({ dropUsage: true });
    const event = kinds[0] as string;
    const text = event.repeat(3);
    expect(reader.pass?.(text, 0, 1_000)).toBe(0);
    reader.read({ event: /^event: (.*)/.exec(event)?.[1], data: dataOf(event) });
    // one at a time, or several
    for (let start = 0; start < text.length; ) {
      const end = reader.pass?.(text, start, 1_000) ?? start;
      expect(end).toBeGreaterThan(start);
      expect(end % event.length).toBe(0);
      start = end;
    }
    expect(reader.pass?.(text, 0, event.length - 10)).toBe(0);
  });
});

it('is plain in one line with the same beginning, and a blank line', () => {
  const one = 'data: {"a":1}\n\n';
  const endOf = (text: string, start = 0, maxBytes = 100) =>
    endOfPlainEvent(text, start, 'data: {', maxBytes);
  expect(endOf(one)).toBe(one.length);
  expect(endOf(one + one, one.length)).toBe(2 * one.length);
  expect(endOf(withCrlf(one) + one)).toBe(withCrlf(one).length);
  expect(endOf(one + withCrlf(one))).toBe(one.length);
  expect(endOf(one, 0, 13)).toBe(one.length);
  for (const other of [
    'data: {"a":1}\n',
    'data: {"a":1}',
    'data: [1]\n\n',
    ': {}\n\n',
    'data: {"a":\n1}\n\n',
    'data: {',
    '\n\n',
    'data: {"a":\r1}\r\n\r\n',
    'data: {"a":1}\r\n\n',
    'data: {"a":1}\n\r\n',
    'data: {"a":1}\r\r\n\n',
    'data: {}\r',
    'data: {}\r\n\r',
  ]) {
    expect(endOf(other), other).toBe(-1);
    if (other.endsWith('\n')) expect(endOf(other + one), other).toBe(-1);
    expect(endOf(one + other, one.length), other).toBe(-1);
  }
  expect(endOf(one, 0, 12)).toBe(-1);
  expect(endOf(one, 1)).toBe(-1);
});
