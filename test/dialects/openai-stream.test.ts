import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFixture, readStream, toData, toTyped } from './read-stream.ts';

const dropUsage = { dropUsage: true };

function toChunk(choice: object, more: object = {}) {
  return { id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }], ...more };
}

const role = toChunk({ delta: { role: 'assistant', content: '' }, finish_reason: null });
const word = toChunk({ delta: { content: 'hi' }, finish_reason: null });
const stop = toChunk({ delta: {}, finish_reason: 'stop' });
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const counted = { inputTokens: 3, outputTokens: 2, source: 'reported' };

function chat(...chunks: readonly unknown[]) {
  return readStream('openai-chat', chunks.map(toData).join(''), dropUsage);
}

describe('the chat reader', () => {
  it('drops only the chunk that exists for usage, and still counts it', () => {
    const read = readStream('openai-chat', readFixture('openai-chat'), dropUsage);
    expect(read.dropped).toHaveLength(1);
    expect(JSON.parse(read.dropped[0]!)).toMatchObject({ choices: [], usage: { prompt_tokens: 1219 } });
    expect(read.reader.usage?.inputTokens).toBe(1219);
  });

  it('drops the usage chunk of legacy completions too', () => {
    expect(
      readStream('openai-completions', readFixture('openai-completions'), dropUsage).dropped,
    ).toHaveLength(1);
  });

  it('relays usage that comes with the last content', () => {
    const read = chat(role, word, { ...stop, usage }, '[DONE]');
    expect(read.dropped).toEqual([]);
    expect(read.reader.usage).toEqual(counted);
  });

  it('takes usage from within the choice that ends, where some servers tell it', () => {
    const end = { choices: [{ ...stop.choices[0], usage }] };
    const read = chat(role, word, end, '[DONE]');
    expect([read.dropped, read.reader.usage]).toEqual([[], counted]);
  });

  it('drops a usage chunk whose numbers are garbage, and counts nothing', () => {
    const read = chat(role, word, stop, {
      choices: [],
      usage: { prompt_tokens: -1, completion_tokens: '2' },
    });
    expect(read.dropped).toHaveLength(1);
    expect(read.reader.usage).toBeUndefined();
  });

  it('keeps the usage it had when a later one is garbage', () => {
    expect(
      chat(role, { ...word, usage }, { choices: [], usage: { prompt_tokens: 1e308 } }).reader.usage,
    ).toEqual(counted);
  });

  it('relays chunks without choices that are not about usage', () => {
    const read = chat({ choices: [], prompt_filter_results: [], usage: null }, role, word, stop, '[DONE]');
    expect(read.dropped).toEqual([]);
  });

  it('takes the last usage of servers that report it on every chunk', () => {
    const read = chat(
      { ...word, usage: { prompt_tokens: 3, completion_tokens: 1 } },
      { ...word, usage },
      stop,
    );
    expect(read.reader.usage).toEqual(counted);
  });

  it('is whole without [DONE] only when every choice has finished', () => {
    const other = (choice: object) => ({ choices: [{ index: 1, ...choice }] });
    const openings = [role, word, other({ delta: { content: 'ho' }, finish_reason: null })];
    expect(chat(...openings, stop).reader.whole).toBe(false);
    expect(chat(...openings, stop, other({ delta: {}, finish_reason: 'stop' })).reader.whole).toBe(true);
    expect(chat(...openings, '[DONE]').reader.whole).toBe(true);
    expect(chat(word, stop, other({ delta: { content: 'late' }, finish_reason: null })).reader.whole).toBe(
      false,
    );
  });

  it('takes an empty finish reason for none', () => {
    expect(chat(toChunk({ delta: { content: 'hi' }, finish_reason: '' })).reader.whole).toBe(false);
  });

  it('follows a bounded number of choices and is then whole only with [DONE]', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({ choices: [{ index, finish_reason: 'stop' }] }));
    expect(chat(...many).reader.whole).toBe(false);
    expect(chat(...many, '[DONE]').reader.whole).toBe(true);
  });

  it('takes a role or an empty delta for no content, and text, reasoning or a tool call for content', () => {
    expect(chat(role, toChunk({ delta: {} }), toChunk({ delta: { tool_calls: [] } })).reader.hasContent).toBe(
      false,
    );
    expect(chat(role, stop, '[DONE]').reader).toMatchObject({ hasContent: false, whole: true });
    const filtered = toChunk({ delta: {}, finish_reason: 'content_filter' });
    expect(chat(filtered).reader).toMatchObject({ hasContent: true, whole: true });
    for (const delta of [
      { content: 'x' },
      { reasoning_content: 'x' },
      { tool_calls: [{ index: 0 }] },
      { audio: {} },
    ]) {
      expect(chat(role, toChunk({ delta })).reader.hasContent).toBe(true);
    }
  });

  it('sees an error before and after content, named or not, and takes error: null for none', () => {
    const error = { message: 'Overloaded', type: 'server_error', param: null, code: 'overloaded' };
    expect(chat({ error }).reader).toMatchObject({
      error: { type: 'server_error' },
      hasContent: false,
      whole: false,
    });
    expect(chat(role, word, { error: { code: 'rate_limit_exceeded' } }).reader.error?.type).toBe(
      'rate_limit_exceeded',
    );
    expect(chat(role, word, { error: 'boom' }).reader.error).toEqual({ type: undefined });
    expect(chat(role, { ...word, error: null }, stop).reader.error).toBeUndefined();
    const named = `${toData(role)}${toData(word)}event: error\ndata: {"type":"overloaded","message":"x"}\n\n`;
    expect(readStream('openai-chat', named).reader.error?.type).toBe('overloaded');
  });

  it('shows what is no JSON object as malformed and goes on', () => {
    for (const broken of ['{"choices":[{"ind', 'null', 'ping', '<html>', '[1]', '{"usage": {}, }']) {
      const read = chat(role, word, broken, stop, '[DONE]');
      expect([broken, read.reader.malformed, read.reader.whole]).toEqual([broken, true, true]);
    }
    expect(readStream('openai-chat', `data:\n\ndata: \n\n${toData(word)}`).reader.malformed).toBe(false);
  });

  it('accepts data in several lines and with space around it', () => {
    const lines = `${JSON.stringify({ ...stop, usage }, null, 1).replaceAll('\n', '\ndata: ')} `;
    const read = readStream('openai-chat', `data: ${lines}\n\ndata:  [DONE] \n\n`);
    expect(read.reader).toMatchObject({ whole: true, usage: counted, malformed: false });
  });

  it('finds the same as parsing every chunk does, whatever the text in them looks like', () => {
    const bait = fc.constantFrom(
      '"usage":{"prompt_tokens":9}',
      '"finish_reason":"stop"',
      '"error":{}',
      '"index":1',
      '\\"',
      'x',
    );
    const text = fc.array(bait, { maxLength: 4 }).map((parts) => parts.join(','));
    const finish = fc.constantFrom(null, null, null, 'stop', 'length', '"usage":1');
    const chunk = fc.record({
      space: fc.constantFrom(0, 1),
      index: fc.constantFrom(0, 0, 0, 1, 2),
      text,
      finish,
      usage: fc.constantFrom(null, undefined, usage),
      error: fc.constantFrom(undefined, undefined, undefined, null, { type: 'x' }),
    });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
        const values = chunks.map(
          ({ index, text: content, finish: finish_reason, usage: reported, error }) => ({
            choices: [{ delta: { content }, index, finish_reason }],
            usage: reported,
            error,
          }),
        );
        const stream = values.map((value, at) =>
          toData(JSON.stringify(value, null, chunks[at]!.space).replaceAll('\n', '')),
        );
        const { reader } = readStream('openai-chat', stream.join(''), dropUsage);
        const seen = new Set(values.map((value) => value.choices[0]!.index));
        const finished = new Set(
          values.filter((value) => value.choices[0]!.finish_reason).map((value) => value.choices[0]!.index),
        );
        expect(reader.whole).toBe(seen.size > 0 && seen.size === finished.size);
        expect(reader.usage !== undefined).toBe(values.some((value) => value.usage));
        expect(reader.error !== undefined).toBe(values.some((value) => value.error));
        const says = ({ delta, finish_reason }: (typeof values)[number]['choices'][number]) =>
          delta.content !== '' || (finish_reason ?? 'stop') !== 'stop';
        expect(reader.hasContent).toBe(values.some((value) => says(value.choices[0]!)));
        expect(reader.malformed).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('is safe from text made to look like members at great length', () => {
    const spaces = ' '.repeat(200_000);
    const read = chat(
      role,
      word,
      `{"usage"${spaces}:${spaces}null,"x":"${'"usage"'.replaceAll('"', '\\"').repeat(20_000)}"}`,
    );
    expect(read.reader).toMatchObject({ usage: undefined, malformed: false });
  });
});

describe('the responses reader', () => {
  const created = toTyped({ type: 'response.created', response: { id: 'resp_1', usage: null } } as {
    type: string;
  });
  const delta = toTyped({ type: 'response.output_text.delta', delta: 'hi' } as { type: string });
  const end = (type: string, response: object) => toTyped({ type, response } as { type: string });
  const reported = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };

  it.each(['completed', 'incomplete', 'cancelled'])(
    'is whole with response.%s and takes its usage',
    (word) => {
      const { reader } = readStream(
        'openai-responses',
        created + delta + end(`response.${word}`, { usage: reported }),
      );
      expect(reader).toMatchObject({ whole: true, usage: counted, error: undefined });
    },
  );

  it('takes response.failed for an end and an error, with its usage', () => {
    const failed = end('response.failed', { error: { code: 'server_error', message: 'x' }, usage: reported });
    const { reader } = readStream('openai-responses', created + failed);
    expect(reader).toMatchObject({
      whole: true,
      error: { type: 'server_error' },
      usage: counted,
      hasContent: false,
    });
  });

  it('sees the flat error event, and the nested one of other servers', () => {
    const flat = { type: 'error', code: 'overloaded', message: 'x', param: null, sequence_number: 3 };
    expect(readStream('openai-responses', created + toTyped(flat)).reader).toMatchObject({
      error: { type: 'overloaded' },
      whole: false,
      hasContent: false,
    });
    const nested = toTyped({ type: 'error', error: { type: 'server_error' } } as { type: string });
    expect(readStream('openai-responses', nested).reader.error?.type).toBe('server_error');
    expect(readStream('openai-responses', toData(flat)).reader.error?.type).toBe('overloaded');
    expect(readStream('openai-responses', toData({ error: { code: 'x' } })).reader.error?.type).toBe('x');
  });

  it('knows events by their data where event lines are missing or say nothing', () => {
    const body = { sequence_number: 9, type: 'response.completed', response: { usage: reported } };
    for (const text of [toData(body), `event: message\n${toData(body)}`]) {
      expect(readStream('openai-responses', text).reader).toMatchObject({ whole: true, usage: counted });
    }
  });

  it('is not whole with [DONE] alone, and does not mind it', () => {
    const { reader } = readStream('openai-responses', `${created}${delta}data: [DONE]\n\n`);
    expect(reader).toMatchObject({ whole: false, malformed: false, hasContent: true });
  });

  it('takes announcements for no content', () => {
    const opened = created + toTyped({ type: 'response.output_item.added' }) + toTyped({ type: 'keepalive' });
    expect(readStream('openai-responses', opened).reader.hasContent).toBe(false);
  });

  it('shows an end that does not parse as malformed, not as an end', () => {
    const { reader } = readStream('openai-responses', 'event: response.completed\ndata: {"type":}\n\n');
    expect(reader).toMatchObject({ malformed: true, whole: false });
  });
});

describe('the media reader', () => {
  it('sees errors and takes [DONE] for an end', () => {
    const failed = readStream('openai', toData({ error: { type: 'image_generation_user_error' } }));
    expect(failed.reader).toMatchObject({ error: { type: 'image_generation_user_error' }, whole: false });
    const named = toTyped({ type: 'error', error: { code: 'moderation_blocked' } } as { type: string });
    expect(readStream('openai', named).reader.error?.type).toBe('moderation_blocked');
    expect(readStream('openai', 'data: [DONE]\n\n').reader.whole).toBe(true);
  });
});
