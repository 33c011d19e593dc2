import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DialectName } from '../../src/dialects/dialect.ts';
import { dialectByName } from '../../src/dialects/index.ts';

function read(name: DialectName, reply: Readonly<Record<string, unknown>>) {
  const { usageMembers, readUsage } = dialectByName[name];
  return readUsage((member) => {
    // a reader that asks for what it did not announce would find nothing in a scanned body
    expect(usageMembers).toContain(member);
    return reply[member];
  });
}

const source = 'reported';

describe('usage of JSON replies', () => {
  it.each<[string, DialectName, object, object | undefined]>([
    [
      'chat',
      'openai-chat',
      {
        usage: {
          prompt_tokens: 19,
          completion_tokens: 10,
          total_tokens: 29,
          prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 6 },
        },
      },
      { inputTokens: 19, cachedInputTokens: 4, outputTokens: 10, reasoningTokens: 6, source },
    ],
    [
      'chat with reasoning counted beside the completion',
      'openai-chat',
      {
        usage: {
          prompt_tokens: 32,
          completion_tokens: 9,
          total_tokens: 141,
          completion_tokens_details: { reasoning_tokens: 100 },
        },
      },
      { inputTokens: 32, outputTokens: 109, reasoningTokens: 100, source },
    ],
    [
      'chat of a server that tells of reasoning in the total alone',
      'openai-chat',
      { usage: { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 } },
      { inputTokens: 20, outputTokens: 603, source },
    ],
    [
      'speech of which the total alone tells, as Mistral does',
      'openai',
      {
        usage: {
          prompt_audio_seconds: 203,
          prompt_tokens: 4,
          total_tokens: 3264,
          completion_tokens: 635,
        },
      },
      { inputTokens: 2629, outputTokens: 635, source },
    ],
    [
      'chat of a server that leaves the prompt to the total',
      'openai-chat',
      { usage: { completion_tokens: 50, total_tokens: 150 } },
      { inputTokens: 100, outputTokens: 50, source },
    ],
    [
      'chat of a server whose total is less than its parts',
      'openai-chat',
      { usage: { prompt_tokens: 20, completion_tokens: 7, total_tokens: 21 } },
      { inputTokens: 20, outputTokens: 7, source },
    ],
    [
      'chat of a server that leaves the completion to the total',
      'openai-chat',
      { usage: { prompt_tokens: 100, total_tokens: 150 } },
      { inputTokens: 100, outputTokens: 50, source },
    ],
    [
      'chat of a server that tells a total alone',
      'openai-chat',
      { usage: { total_tokens: 203 } },
      { inputTokens: 203, outputTokens: 0, source },
    ],
    [
      'chat of a server whose total leaves nothing for the completion',
      'openai-chat',
      { usage: { prompt_tokens: 100, total_tokens: 100 } },
      { inputTokens: 100, outputTokens: 0, source },
    ],
    [
      'messages with the advice of another model, which the top leaves out',
      'anthropic-messages',
      {
        usage: {
          input_tokens: 412,
          output_tokens: 531,
          iterations: [
            { type: 'message', input_tokens: 412, output_tokens: 531 },
            { type: 'advisor_message', model: 'claude-opus-4-6', input_tokens: 823, output_tokens: 1_612 },
          ],
        },
      },
      { inputTokens: 1_235, outputTokens: 2_143, source },
    ],
    [
      'chat of a server that names cache hits at the top',
      'openai-chat',
      {
        usage: {
          prompt_tokens: 20,
          prompt_cache_hit_tokens: 12,
          prompt_cache_miss_tokens: 8,
          completion_tokens: 1,
        },
      },
      { inputTokens: 20, cachedInputTokens: 12, outputTokens: 1, source },
    ],
    [
      'chat of a server that names cached tokens at the top',
      'openai-chat',
      { usage: { prompt_tokens: 19, completion_tokens: 21, total_tokens: 40, cached_tokens: 10 } },
      { inputTokens: 19, cachedInputTokens: 10, outputTokens: 21, source },
    ],
    [
      'completions',
      'openai-completions',
      { usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 } },
      { inputTokens: 5, outputTokens: 7, source },
    ],
    [
      'responses',
      'openai-responses',
      {
        usage: {
          input_tokens: 36,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 30 },
          output_tokens: 87,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: 123,
        },
      },
      {
        inputTokens: 36,
        cachedInputTokens: 0,
        cacheWrite5mTokens: 30,
        outputTokens: 87,
        reasoningTokens: 0,
        source,
      },
    ],
    [
      'a count of input tokens',
      'openai-responses',
      { object: 'response.input_tokens', input_tokens: 11 },
      undefined,
    ],
    ['a background response', 'openai-responses', { status: 'queued', usage: null }, undefined],
    [
      'embeddings',
      'openai',
      { usage: { prompt_tokens: 8, total_tokens: 8 } },
      { inputTokens: 8, outputTokens: 0, source },
    ],
    [
      'embeddings with a total only',
      'openai',
      { usage: { total_tokens: 8 } },
      { inputTokens: 8, outputTokens: 0, source },
    ],
    [
      'images',
      'openai',
      {
        usage: {
          total_tokens: 100,
          input_tokens: 50,
          output_tokens: 50,
          input_tokens_details: { text_tokens: 10 },
        },
      },
      { inputTokens: 50, outputTokens: 50, source },
    ],
    [
      'images that another model writes as SVG',
      'openai',
      {
        usage: { input_tokens: 50, output_tokens: 40, total_tokens: 90 },
        svg_usage: {
          model: 'gpt-6',
          input_tokens: 7,
          output_tokens: 900,
          reasoning_tokens: 0,
          total_tokens: 907,
        },
      },
      { inputTokens: 57, outputTokens: 940, source },
    ],
    [
      'a transcription by tokens',
      'openai',
      { usage: { type: 'tokens', input_tokens: 14, output_tokens: 45, total_tokens: 59 } },
      { inputTokens: 14, outputTokens: 45, source },
    ],
    ['a transcription by duration', 'openai', { usage: { type: 'duration', seconds: 12 } }, undefined],
    ['a moderation', 'openai', { id: 'modr-1', results: [] }, undefined],
    [
      'rerank with tokens',
      'openai',
      { meta: { billed_units: { search_units: 1 }, tokens: { input_tokens: 90, output_tokens: 0 } } },
      { inputTokens: 90, outputTokens: 0, source },
    ],
    [
      'rerank with billed tokens',
      'openai',
      { meta: { billed_units: { input_tokens: 9 } } },
      { inputTokens: 9, source },
    ],
    ['rerank by searches', 'openai', { meta: { billed_units: { search_units: 1 } } }, undefined],
    [
      'messages',
      'anthropic-messages',
      {
        usage: {
          input_tokens: 10,
          cache_creation_input_tokens: 30,
          cache_read_input_tokens: 100,
          cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
          output_tokens: 5,
          output_tokens_details: null,
        },
      },
      {
        inputTokens: 140,
        cachedInputTokens: 100,
        cacheWrite5mTokens: 10,
        cacheWrite1hTokens: 20,
        outputTokens: 5,
        source,
      },
    ],
    ['count_tokens', 'anthropic-messages', { input_tokens: 2095 }, undefined],
    [
      'generateContent',
      'gemini',
      {
        usageMetadata: {
          promptTokenCount: 10,
          cachedContentTokenCount: 4,
          candidatesTokenCount: 7,
          thoughtsTokenCount: 20,
          toolUsePromptTokenCount: 3,
          totalTokenCount: 40,
        },
      },
      { inputTokens: 13, cachedInputTokens: 4, outputTokens: 27, reasoningTokens: 20, source },
    ],
    [
      'generateContent that only thought',
      'gemini',
      { usageMetadata: { promptTokenCount: 10, thoughtsTokenCount: 20, totalTokenCount: 30 } },
      { inputTokens: 10, outputTokens: 20, reasoningTokens: 20, source },
    ],
    ['embedContent', 'gemini', { usageMetadata: { promptTokenCount: 6 } }, { inputTokens: 6, source }],
    ['countTokens', 'gemini', { totalTokens: 31 }, undefined],
  ])('reads %s', (_, name, reply, expected) => {
    expect(read(name, reply as Record<string, unknown>)).toEqual(expected);
  });

  it('takes a part that is larger than its whole for unknown', () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 6 } };
    expect(read('openai-chat', { usage })).toEqual({ inputTokens: 5, outputTokens: 2, source });
  });

  it('takes a sum beyond the safe integers for unknown', () => {
    const usage = { input_tokens: Number.MAX_SAFE_INTEGER, cache_read_input_tokens: 1, output_tokens: 2 };
    expect(read('anthropic-messages', { usage })).toMatchObject({ outputTokens: 2 });
    expect(read('anthropic-messages', { usage })).not.toHaveProperty('inputTokens');
  });

  it('gives only safe integers that are not negative, whatever the provider sends', () => {
    const number = fc.oneof(
      fc.integer({ min: -3, max: 3_000 }),
      fc.constantFrom(1e308, -1, 1.5, 2 ** 53, -0, Number.NaN, Number.POSITIVE_INFINITY),
    );
    const leaf = fc.oneof(number, fc.constantFrom<unknown>(null, undefined, '7', true, [], {}));
    const names = [
      ...[
        'prompt_tokens',
        'completion_tokens',
        'total_tokens',
        'input_tokens',
        'output_tokens',
        'cached_tokens',
      ],
      ...[
        'cache_read_input_tokens',
        'cache_creation_input_tokens',
        'ephemeral_1h_input_tokens',
        'thinking_tokens',
      ],
      ...[
        'promptTokenCount',
        'candidatesTokenCount',
        'thoughtsTokenCount',
        'totalTokenCount',
        'reasoning_tokens',
      ],
    ];
    const flat = fc.dictionary(fc.constantFrom(...names), leaf);
    const nested = [
      'prompt_tokens_details',
      'output_tokens_details',
      'cache_creation',
      'completion_tokens_details',
    ];
    const usage = fc.tuple(flat, fc.dictionary(fc.constantFrom(...nested), fc.oneof(flat, leaf)));
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(dialectByName) as DialectName[])),
        usage,
        (name, [top, details]) => {
          const found = read(name, {
            usage: { ...top, ...details },
            usageMetadata: top,
            meta: { tokens: top },
          });
          for (const [kind, count] of Object.entries(found ?? {})) {
            if (kind === 'source') continue;
            expect(Number.isSafeInteger(count) && (count as number) >= 0 && !Object.is(count, -0)).toBe(true);
          }
          if (found) expect(Object.keys(found).length).toBeGreaterThan(1);
        },
      ),
      { numRuns: 500 },
    );
  });
});
