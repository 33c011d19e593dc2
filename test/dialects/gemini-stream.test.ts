import { describe, expect, it } from 'vitest';
import { readStream, toData } from './read-stream.ts';

const toChunk = (candidate: object, usageMetadata?: object) => ({ candidates: [candidate], usageMetadata });
const text = (value: string, more: object = {}) => ({
  content: { parts: [{ text: value }], role: 'model' },
  ...more,
});
const counts = (candidatesTokenCount: number) => ({ promptTokenCount: 4, candidatesTokenCount });
const read = (...chunks: readonly unknown[]) => readStream('gemini', chunks.map(toData).join('')).reader;

describe('the gemini reader', () => {
  it('takes the usage of the last chunk, however often it is asked', () => {
    const reader = read(
      toChunk(text('a'), counts(1)),
      toChunk(text('b'), counts(2)),
      toChunk(text('c'), counts(3)),
    );
    expect(reader.usage).toEqual({ inputTokens: 4, outputTokens: 3, source: 'reported' });
    expect(reader.usage).toEqual({ inputTokens: 4, outputTokens: 3, source: 'reported' });
    expect(reader.whole).toBe(false);
  });

  it('keeps the usage it had when the last chunk has none', () => {
    const reader = read(toChunk(text('a'), counts(1)), toChunk(text('b'), counts(2)), toChunk(text('c')));
    expect(reader.usage?.outputTokens).toBe(2);
  });

  it('keeps the usage it had when a text is the name of that member', () => {
    const reader = read(
      toChunk(text('a'), counts(1)),
      toChunk(text('b'), counts(2)),
      toChunk(text('usageMetadata')),
      toChunk(text('"usageMetadata":')),
    );
    expect(reader.usage?.outputTokens).toBe(2);
  });

  it('is whole when every candidate has finished', () => {
    expect(read(toChunk(text('a', { finishReason: 'STOP' }))).whole).toBe(true);
    const two = { candidates: [text('a', { index: 0 }), text('b', { index: 1 })] };
    const first = toChunk(text('', { index: 0, finishReason: 'STOP' }));
    expect(read(two, first).whole).toBe(false);
    expect(read(two, first, toChunk(text('', { index: 1, finishReason: 'MAX_TOKENS' }))).whole).toBe(true);
  });

  it('is whole, and says something, when the prompt was blocked or a candidate ends for another reason than STOP', () => {
    const blocked = {
      promptFeedback: { blockReason: 'SAFETY' },
      usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 },
    };
    expect(read(blocked)).toMatchObject({
      whole: true,
      hasContent: true,
      usage: { inputTokens: 4, outputTokens: 0, source: 'reported' },
    });
    expect(read(toChunk({ finishReason: 'SAFETY' }))).toMatchObject({ whole: true, hasContent: true });
    expect(read(toChunk({ finishReason: 'STOP' }))).toMatchObject({ whole: true, hasContent: false });
  });

  it('sees an error before and after content', () => {
    const error = { error: { code: 503, message: 'overloaded', status: 'UNAVAILABLE' } };
    expect(read(error)).toMatchObject({ error: { type: 'UNAVAILABLE' }, hasContent: false, whole: false });
    expect(read(toChunk(text('a')), error)).toMatchObject({
      error: { type: 'UNAVAILABLE' },
      hasContent: true,
    });
  });

  it('takes empty text for no content, and a function call or an image for content', () => {
    expect(read(toChunk(text(''))).hasContent).toBe(false);
    expect(read(toChunk(text('')), toChunk(text('a'))).hasContent).toBe(true);
    expect(read(toChunk({ content: { parts: [{ functionCall: { name: 'f' } }] } })).hasContent).toBe(true);
    expect(read(toChunk({ content: { parts: [{ inlineData: { data: 'aGk=' } }] } })).hasContent).toBe(true);
  });

  it('is not fooled by the words of the protocol inside text', () => {
    const bait = text('"finishReason":"STOP","error":{"status":"X"},"promptFeedback":{"blockReason":"X"}');
    expect(read(toChunk(text('a')), toChunk(bait))).toMatchObject({ whole: false, error: undefined });
  });

  it('shows what does not parse as malformed', () => {
    expect(read(toChunk(text('a')), '{"finishReason":]}').malformed).toBe(true);
    expect(read(toChunk(text('a')), '[{"candidates":[]}').malformed).toBe(true);
  });
});
