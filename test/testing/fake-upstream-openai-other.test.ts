import OpenAI, { toFile } from 'openai';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { createFakeUpstream } from '../../src/testing/fake-upstream/index.ts';
import { collect } from './collect.ts';

const upstream = await createFakeUpstream({ apiKeys: ['sk-good'] });
const client = new OpenAI({ baseURL: `${upstream.url}/v1`, apiKey: 'sk-good', maxRetries: 0 });

beforeEach(() => upstream.reset());
afterAll(() => upstream.close());

describe('the other OpenAI endpoints', () => {
  it('embeds the same numbers as base64 and as floats', async () => {
    const model = 'text-embedding-3-small';
    const base64 = await client.embeddings.create({ model, input: ['one', 'two'], dimensions: 8 });
    const float = await client.embeddings.create({
      model,
      input: ['one', 'two'],
      dimensions: 8,
      encoding_format: 'float',
    });
    expect(upstream.requests[0]?.json).toMatchObject({ encoding_format: 'base64' });
    expect(base64.data[1]?.embedding).toHaveLength(8);
    expect(Array.from(base64.data[1]?.embedding ?? [])).toEqual(float.data[1]?.embedding);
    expect(float.usage.prompt_tokens).toBe(2);
  });

  it('completes legacy prompts, streaming or not', async () => {
    const body = { model: 'gpt-3.5-turbo-instruct', prompt: 'Once' };
    const whole = await client.completions.create(body);
    expect(whole.choices[0]).toMatchObject({ finish_reason: 'length' });
    const chunks = await collect(await client.completions.create({ ...body, stream: true }));
    expect(chunks.map((chunk) => chunk.choices[0]?.text).join('')).toBe(whole.choices[0]?.text);
  });

  it('makes, edits and streams images', async () => {
    const made = await client.images.generate({ model: 'gpt-image-2', prompt: 'A fox' });
    expect(
      Buffer.from(made.data?.[0]?.b64_json ?? '', 'base64')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    const image = await toFile(Buffer.from('not really a png'), 'fox.png', { type: 'image/png' });
    const edited = await client.images.edit({ model: 'gpt-image-2', prompt: 'Two foxes', image });
    expect(edited.usage?.input_tokens_details.image_tokens).toBeGreaterThan(0);
    const events = await collect(await client.images.generate({ prompt: 'A fox', stream: true }));
    expect(events.at(-1)?.type).toBe('image_generation.completed');
  });

  it('speaks, transcribes and translates', async () => {
    const speech = await client.audio.speech.create({
      model: 'gpt-4o-mini-tts',
      voice: 'alloy',
      input: 'Hello',
    });
    expect(speech.headers.get('content-type')).toBe('audio/mpeg');
    expect((await speech.arrayBuffer()).byteLength).toBe(8_192);
    const file = await toFile(Buffer.alloc(32_000), 'speech.wav');
    const text = await client.audio.transcriptions.create({ model: 'gpt-4o-transcribe', file });
    expect(text).toMatchObject({
      text: expect.stringContaining('beer'),
      usage: { type: 'tokens', input_tokens: 20 },
    });
    const stream = await client.audio.transcriptions.create({
      model: 'gpt-4o-transcribe',
      file,
      stream: true,
    });
    expect((await collect(stream)).at(-1)?.type).toBe('transcript.text.done');
    const srt = await client.audio.translations.create({ model: 'whisper-1', file, response_format: 'srt' });
    expect(srt).toContain('-->');
  });

  it('moderates, lists models and reranks', async () => {
    const moderation = await client.moderations.create({ input: ['kind words', 'I will kill it'] });
    expect(moderation.results.map((result) => result.flagged)).toEqual([false, true]);
    expect((await collect(client.models.list())).map((model) => model.id)).toContain('gpt-4o');
    const body = {
      model: 'rerank-v4.0',
      query: 'red fox',
      documents: ['a dog', 'the red fox', 'a fox'],
      top_n: 2,
    };
    const reranked = await client.post<{ results: { index: number }[] }>(`${upstream.url}/v2/rerank`, {
      body,
    });
    expect(reranked.results.map((result) => result.index)).toEqual([1, 2]);
  });
});
