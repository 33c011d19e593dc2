import { describe, expect, it } from 'vitest';
import { readStream, toData, toTyped } from './read-stream.ts';

const typed = (value: object) => toTyped(value as { type: string });
const start = (usage?: object) =>
  typed({ type: 'message_start', message: { id: 'msg_1', content: [], usage } });
const delta = typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } });
const end = (usage?: object) => typed({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage });
const stop = typed({ type: 'message_stop' });
const read = (...events: readonly string[]) => readStream('anthropic-messages', events.join('')).reader;

describe('the messages reader', () => {
  it('lets the last value of each field win, null standing for no change', () => {
    const usage = {
      input_tokens: 10,
      cache_read_input_tokens: 5,
      cache_creation_input_tokens: 0,
      output_tokens: 1,
    };
    const reader = read(
      start(usage),
      delta,
      end({ output_tokens: 4 }),
      end({ input_tokens: null, output_tokens: 9 }),
    );
    expect(reader.usage).toEqual({
      inputTokens: 15,
      cachedInputTokens: 5,
      cacheWrite5mTokens: 0,
      outputTokens: 9,
      source: 'reported',
    });
  });

  it('takes all numbers from the end where the start has zeros or no usage at all', () => {
    const late = { input_tokens: 20, cache_read_input_tokens: 7, output_tokens: 3 };
    const expected = { inputTokens: 27, cachedInputTokens: 7, outputTokens: 3, source: 'reported' };
    expect(read(start({ input_tokens: 0, output_tokens: 0 }), end(late), stop).usage).toEqual(expected);
    expect(read(start(), end(late), stop).usage).toEqual(expected);
  });

  it('gives cache writes that the split does not explain to the five-minute kind', () => {
    const reader = read(
      start({
        input_tokens: 1,
        cache_creation_input_tokens: 10,
        cache_creation: { ephemeral_5m_input_tokens: 6, ephemeral_1h_input_tokens: 4 },
        output_tokens: 1,
      }),
      end({ cache_creation_input_tokens: 50, output_tokens: 2 }),
    );
    expect(reader.usage).toMatchObject({ inputTokens: 51, cacheWrite5mTokens: 46, cacheWrite1hTokens: 4 });
  });

  it('adds compactions, which the totals leave out', () => {
    const iterations = [
      { type: 'compaction', input_tokens: 100, output_tokens: 30 },
      { type: 'message', input_tokens: 20, output_tokens: 5 },
    ];
    const reader = read(start({ input_tokens: 20, output_tokens: 1 }), end({ output_tokens: 5, iterations }));
    expect(reader.usage).toMatchObject({ inputTokens: 120, outputTokens: 35 });
  });

  it('is whole with message_stop only', () => {
    expect(read(start(), delta, end({ output_tokens: 1 })).whole).toBe(false);
    expect(read(start(), delta, end({ output_tokens: 1 }), 'data: [DONE]\n\n').whole).toBe(false);
    expect(read(start(), delta, stop, 'data: [DONE]\n\n')).toMatchObject({ whole: true, malformed: false });
  });

  it('takes openings and pings for no content', () => {
    const opening = typed({
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'text', text: '' },
    });
    expect(read(start(), typed({ type: 'ping' }), opening).hasContent).toBe(false);
    expect(read(start(), opening, delta).hasContent).toBe(true);
    expect(read(start(), opening, typed({ type: 'content_block_stop', index: 0 })).hasContent).toBe(true);
  });

  it('sees an error before and after content', () => {
    const error = typed({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
    expect(read(error)).toMatchObject({
      error: { type: 'overloaded_error' },
      hasContent: false,
      whole: false,
    });
    expect(read(start(), delta, error)).toMatchObject({
      error: { type: 'overloaded_error' },
      hasContent: true,
    });
    expect(read(toData({ error: { type: 'api_error' } })).error?.type).toBe('api_error');
  });

  it('is not fooled by the words of the protocol inside text', () => {
    const text = '"type":"message_stop","usage":{"output_tokens":999},"error":{}';
    const bait = typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
    expect(read(start({ input_tokens: 1, output_tokens: 1 }), bait)).toMatchObject({
      whole: false,
      error: undefined,
      usage: { inputTokens: 1, outputTokens: 1 },
    });
  });

  it('counts nothing where a number is not one', () => {
    for (const output_tokens of [-1, 1.5, '7', 1e308, 2 ** 53, Number.NaN]) {
      const reader = read(
        start({ input_tokens: 3, output_tokens: 1 }),
        end({ output_tokens: output_tokens || 'NaN' }),
      );
      expect(reader.usage).toEqual({ inputTokens: 3, source: 'reported' });
    }
  });

  it('shows a message_delta that does not parse as malformed and keeps what it knew', () => {
    const reader = read(
      start({ input_tokens: 3, output_tokens: 1 }),
      'event: message_delta\ndata: {"usage":{]}\n\n',
    );
    expect(reader).toMatchObject({ malformed: true, usage: { inputTokens: 3 } });
  });
});
