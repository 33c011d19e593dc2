import { describe, expect, it } from 'vitest';
import { createAnthropicSplicer } from '../../src/dialects/anthropic/splicer.ts';
import { createGeminiSplicer } from '../../src/dialects/gemini/splicer.ts';
import { createChatSplicer } from '../../src/dialects/openai/chat-splicer.ts';
import { PrefixFilter } from '../../src/dialects/prefix-filter.ts';
import type { ReadRequest, StreamSplicer } from '../../src/dialects/splicer.ts';

const chat = (delta: object, more: object = {}) => ({ id: 'a', choices: [{ index: 0, delta, ...more }] });
const start = (block: object, index = 0) => ({ type: 'content_block_start', index, content_block: block });
const said = (text: string) => ({
  type: 'content_block_delta',
  index: 0,
  delta: { type: 'text_delta', text },
});
const gemini = (parts: object[], more: object = {}) => ({ candidates: [{ content: { parts }, ...more }] });

const text = { type: 'text', text: '' };

describe('what went out of a stream', () => {
  const cases: readonly [
    string,
    (request: ReadRequest) => StreamSplicer,
    readonly object[],
    string | undefined,
  ][] = [
    [
      'chat: text',
      createChatSplicer,
      [chat({ role: 'assistant' }), chat({ content: 'a' }), chat({ content: 'b' })],
      'ab',
    ],
    ['chat: nothing yet', createChatSplicer, [chat({ role: 'assistant', content: '' })], undefined],
    [
      'chat: a tool call',
      createChatSplicer,
      [chat({ content: 'a' }), chat({ tool_calls: [{ index: 0 }] })],
      undefined,
    ],
    [
      'chat: reasoning',
      createChatSplicer,
      [chat({ reasoning_content: 'x' }), chat({ content: 'a' })],
      undefined,
    ],
    [
      'chat: an end',
      createChatSplicer,
      [chat({ content: 'a' }), chat({}, { finish_reason: 'stop' })],
      undefined,
    ],
    [
      'chat: a second choice',
      createChatSplicer,
      [chat({ content: 'a' }), chat({ content: 'b' }, { index: 1 })],
      undefined,
    ],
    [
      'messages: text',
      createAnthropicSplicer,
      [{ type: 'message_start' }, start(text), said('a'), said('b')],
      'ab',
    ],
    ['messages: thinking', createAnthropicSplicer, [start({ type: 'thinking' }), said('a')], undefined],
    [
      'messages: a tool',
      createAnthropicSplicer,
      [start(text), said('a'), start({ type: 'tool_use' }, 1)],
      undefined,
    ],
    [
      'messages: a block that is over',
      createAnthropicSplicer,
      [start(text), said('a'), { type: 'content_block_stop' }],
      undefined,
    ],
    ['gemini: text', createGeminiSplicer, [gemini([{ text: 'a' }]), gemini([{ text: 'b' }])], 'ab'],
    ['gemini: a thought', createGeminiSplicer, [gemini([{ text: 'a', thought: true }])], undefined],
    [
      'gemini: a call',
      createGeminiSplicer,
      [gemini([{ text: 'a' }]), gemini([{ functionCall: {} }])],
      undefined,
    ],
    ['gemini: an end', createGeminiSplicer, [gemini([{ text: 'a' }], { finishReason: 'STOP' })], undefined],
  ];
  it.each(cases)(
    'can be gone on with only when it is plain, unfinished text: %s',
    (_, create, events, expected) => {
      const splicer = create(() => undefined);
      for (const event of events) splicer.delivered(JSON.stringify(event));
      expect(splicer.text).toBe(expected);
    },
  );

  it('is put behind what the caller itself had begun to say for the model', () => {
    const messages = [
      { role: 'user', content: 'The sky?' },
      { role: 'assistant', content: 'The sky' },
    ];
    const splicer = createAnthropicSplicer((name) => ({ messages })[name]);
    for (const event of [start(text), said(' is blue. ')]) splicer.delivered(JSON.stringify(event));
    expect(splicer.continuation()).toEqual({
      messages: [messages[0], { role: 'assistant', content: 'The sky is blue.' }],
    });
  });
});

describe('a message stream that goes on with a tool call', () => {
  it('ends the block of text that was open, and numbers the blocks behind it', () => {
    const splicer = createAnthropicSplicer(() => undefined);
    for (const event of [start(text), said('a')]) splicer.delivered(JSON.stringify(event));
    const splice = splicer.splice('continue', { outputTokens: 4, source: 'estimated' });
    const events = [
      { type: 'message_start', message: { id: 'other' } },
      start({ type: 'tool_use', id: 't', name: 'n', input: {} }),
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{}' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 6 } },
      { type: 'message_stop' },
    ];
    const out = events
      .map((event) => splice.event({ event: event.type, data: JSON.stringify(event) }))
      .join('');
    const found = [...out.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string));
    expect(found.map(({ type, index }) => [type, index])).toEqual([
      ['content_block_stop', 0],
      ['content_block_start', 1],
      ['content_block_delta', 1],
      ['content_block_stop', 1],
      ['message_delta', undefined],
      ['message_stop', undefined],
    ]);
    expect(found[4].usage.output_tokens).toBe(10);
  });
});

describe('a prefix filter', () => {
  it.each([1, 2, 3, 7])('takes off exactly what went out, in pieces of %i', (size) => {
    const filter = new PrefixFilter('hello wor', false);
    const pieces = 'hello world'.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
    expect(pieces.map((piece) => filter.take(piece)).join('')).toBe('ld');
    expect(filter.isDone).toBe(true);
  });

  it('tells at the first letter that differs', () => {
    const filter = new PrefixFilter('hello', false);
    expect([filter.take('he'), filter.take('lp')]).toEqual(['', undefined]);
  });

  it('lets a text pass that may also begin without it', () => {
    expect(new PrefixFilter(' ', true).take('next')).toBe('next');
    expect(new PrefixFilter(' ', true).take(' next')).toBe('next');
  });
});
