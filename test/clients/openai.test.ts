import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { collect } from './collect.ts';
import { createSite, type Site } from './harness.ts';
import { expectRelayed, untilEnded } from './relayed.ts';

let site: Site;
let client: OpenAI;
beforeAll(async () => {
  site = await createSite();
  client = new OpenAI({ baseURL: `${site.url}/v1`, apiKey: site.key, maxRetries: 0 });
});
beforeEach(() => site.reset());
afterAll(() => site.close());

const messages = [{ role: 'user' as const, content: 'Grüße, say something.' }];
const chat = { operation: 'chat', provider: 'openai', model: 'team-gpt' } as const;

describe('openai: chat completions', () => {
  it('answers a turn, with a request id of the gateway', async () => {
    const { data, request_id } = await client.chat.completions
      .create({ model: 'team-gpt', messages, temperature: 0.5, metadata: { purpose: 'test' } })
      .withResponse();
    expect(data.choices[0]?.message.content).toContain('quick brown fox');
    await expectRelayed(site, chat);
    expect(request_id).toBe(site.records[0]?.id);
    expect(data.usage?.total_tokens).toBe(
      (site.records[0]?.usage?.inputTokens ?? 0) + (site.records[0]?.usage?.outputTokens ?? 0),
    );
  });

  it('streams without a usage chunk for who did not ask, and meters it all the same', async () => {
    const stream = await client.chat.completions.create({ model: 'team-gpt', messages, stream: true });
    const chunks = await collect(stream);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toContain('forty-two.');
    expect(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage)).toBe(true);
    await expectRelayed(site, { ...chat, stream: true, asksForUsage: true });
  });

  it('streams with the usage chunk for who asked', async () => {
    const stream = await client.chat.completions.create({
      model: 'team-gpt',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const last = (await collect(stream)).at(-1);
    expect(last?.choices).toEqual([]);
    await expectRelayed(site, { ...chat, stream: true });
    expect(last?.usage?.completion_tokens).toBe(site.records[0]?.usage?.outputTokens);
  });

  it('completes the stream() helper', async () => {
    const stream = client.chat.completions.stream({ model: 'team-gpt', messages });
    expect(await stream.finalContent()).toContain('forty-two.');
    await expectRelayed(site, { ...chat, stream: true, asksForUsage: true });
  });

  it.each([false, true])('completes a round trip of tools with runTools (stream: %s)', async (stream) => {
    const cities: string[] = [];
    const tools = [
      {
        type: 'function' as const,
        function: {
          name: 'get_weather',
          description: 'The weather of a city',
          parameters: {
            type: 'object' as const,
            properties: { city: { type: 'string' } },
            required: ['city'],
          },
          parse: JSON.parse,
          function: ({ city }: { city: string }) => {
            cities.push(city);
            return `Sunny in ${city}`;
          },
        },
      },
    ];
    const ask = [{ role: 'user' as const, content: 'What is the weather?' }];
    const runner = stream
      ? client.chat.completions.runTools({ model: 'team-gpt', messages: ask, tools, stream: true })
      : client.chat.completions.runTools({ model: 'team-gpt', messages: ask, tools });
    expect(await runner.finalContent()).toContain('forty-two.');
    expect(cities).toEqual(['Paris']);
    const turn = stream ? { ...chat, stream: true, asksForUsage: true } : chat;
    await expectRelayed(site, turn, turn);
    expect(site.upstream.requests[1]?.body.toString()).toContain('Sunny in Paris');
  });

  it('keeps cached and reasoning tokens apart in the record', async () => {
    site.script = () => ({
      text: 'Done.',
      usage: { inputTokens: 100, cachedTokens: 900, reasoningTokens: 30 },
    });
    await client.chat.completions.create({ model: 'team-gpt', messages });
    await expectRelayed(site, chat);
    expect(site.records[0]?.usage).toMatchObject({
      inputTokens: 1_000,
      cachedInputTokens: 900,
      reasoningTokens: 30,
    });
  });

  it('keeps a beta header and a trace, and drops what could spoof', async () => {
    const headers = {
      'openai-beta': 'assistants=v2',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'x-forwarded-for': '10.1.2.3',
      cookie: 'session=1',
      'x-internal-role': 'admin',
    };
    await client.chat.completions.create({ model: 'team-gpt', messages }, { headers });
    await expectRelayed(site, chat);
    const sent = site.upstream.requests[0]?.headers ?? {};
    expect(sent['openai-beta']).toBe('assistants=v2');
    expect([sent['x-forwarded-for'], sent.cookie, sent['x-internal-role']]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('openai: responses', () => {
  const response = { operation: 'response', provider: 'openai', model: 'team-gpt' } as const;
  const resource = { operation: 'response-resource', provider: 'openai' } as const;

  it('creates, retrieves, lists the input of, and deletes a response, counting its tokens once', async () => {
    const created = await client.responses.create({
      model: 'team-gpt',
      input: 'Hello',
      instructions: 'Be brief.',
    });
    expect(created.output_text).toContain('forty-two.');
    expect((await client.responses.retrieve(created.id)).output_text).toBe(created.output_text);
    const items = await collect(client.responses.inputItems.list(created.id));
    expect(items).toHaveLength(1);
    await client.responses.delete(created.id);
    await expectRelayed(site, response, resource, resource, resource);
  });

  it('streams a response', async () => {
    const events = await collect(
      await client.responses.create({ model: 'team-gpt', input: 'Hello', stream: true }),
    );
    expect(events.at(-1)?.type).toBe('response.completed');
    await expectRelayed(site, { ...response, stream: true });
    const helper = client.responses.stream({ model: 'team-gpt', input: 'Hello' });
    expect((await helper.finalResponse()).output_text).toContain('forty-two.');
    await expectRelayed(site, { ...response, stream: true }, { ...response, stream: true });
  });

  it('counts input tokens without counting them as used', async () => {
    const { input_tokens } = await client.responses.inputTokens.count({
      model: 'team-gpt',
      input: 'Count me',
    });
    expect(input_tokens).toBe(2);
    await expectRelayed(site, { ...response, operation: 'response-input-tokens' });
  });

  it('cancels a background response', async () => {
    const { id } = await client.responses.create({ model: 'team-gpt', input: 'Hello', background: true });
    expect((await client.responses.cancel(id)).status).toBe('cancelled');
    await expectRelayed(site, { ...response, reportsUsage: false }, resource);
  });
});

describe('openai: embeddings and completions', () => {
  const embedding = { operation: 'embedding', provider: 'openai', model: 'team-embedding' } as const;

  it('embeds in base64, which the SDK asks for by itself, and as numbers, to the same vector', async () => {
    const input = ['one', 'two'];
    const packed = await client.embeddings.create({ model: 'team-embedding', input });
    const plain = await client.embeddings.create({
      model: 'team-embedding',
      input,
      encoding_format: 'float',
    });
    expect(packed.data).toHaveLength(2);
    expect([...(packed.data[1]?.embedding ?? [])]).toEqual(plain.data[1]?.embedding);
    await expectRelayed(site, embedding, embedding);
    expect(site.upstream.requests[0]?.body.toString()).toContain('"encoding_format":"base64"');
  });

  it('completes text, streaming or not', async () => {
    const completion = { operation: 'completion', provider: 'openai', model: 'team-completion' } as const;
    const ask = { model: 'team-completion', prompt: 'Say something.', max_tokens: 50 };
    const whole = await client.completions.create(ask);
    const chunks = await collect(await client.completions.create({ ...ask, stream: true }));
    expect(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join('')).toBe(whole.choices[0]?.text);
    await expectRelayed(site, completion, { ...completion, stream: true, asksForUsage: true });
  });
});

describe('openai: media', () => {
  const image = { operation: 'image', provider: 'openai', model: 'team-image' } as const;
  const speech = { operation: 'speech', provider: 'openai', model: 'team-speech' } as const;
  const whisper = { operation: 'transcription', provider: 'openai', model: 'team-whisper' } as const;
  // bytes that are no text in any encoding, the boundary's own characters among them
  const bytes = Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 7) % 256));

  it('generates an image, and edits one sent as a form', async () => {
    const made = await client.images.generate({ model: 'team-image', prompt: 'A fox' });
    expect(made.data?.[0]?.b64_json).toBeTruthy();
    const picture = await toFile(bytes, 'fox.png', { type: 'image/png' });
    const edited = await client.images.edit({ model: 'team-image', prompt: 'A dog', image: picture });
    expect(edited.data?.[0]?.b64_json).toBeTruthy();
    await expectRelayed(site, image, image);
  });

  it('streams an image', async () => {
    const stream = await client.images.generate({ model: 'team-image', prompt: 'A fox', stream: true });
    expect((await collect(stream)).at(-1)?.type).toBe('image_generation.completed');
    await expectRelayed(site, { ...image, stream: true });
  });

  it('speaks, byte for byte', async () => {
    const audio = await client.audio.speech.create({ model: 'team-speech', input: 'Hello', voice: 'alloy' });
    expect(audio.headers.get('content-type')).toBe('audio/mpeg');
    expect(Buffer.from(await audio.arrayBuffer())).toEqual(
      Buffer.concat(Array.from({ length: 8 }, (_, index) => Buffer.alloc(1_024, index))),
    );
    await expectRelayed(site, { ...speech, reportsUsage: false });
  });

  it('transcribes and translates what is sent as a form', async () => {
    const file = () => toFile(bytes, 'beer.wav', { type: 'audio/wav' });
    const heard = await client.audio.transcriptions.create({ model: 'team-whisper', file: await file() });
    expect(heard.text).toContain('old beer');
    const translated = await client.audio.translations.create({ model: 'team-whisper', file: await file() });
    expect(translated.text).toContain('old beer');
    const text = await client.audio.transcriptions.create({
      model: 'team-whisper',
      file: await file(),
      response_format: 'text',
    });
    expect(text).toContain('old beer');
    const unreported = { ...whisper, reportsUsage: false };
    await expectRelayed(site, whisper, unreported, unreported);
  });

  it('streams a transcription', async () => {
    const file = await toFile(bytes, 'beer.wav', { type: 'audio/wav' });
    const stream = await client.audio.transcriptions.create({ model: 'team-whisper', file, stream: true });
    expect((await collect(stream)).at(-1)?.type).toBe('transcript.text.done');
    await expectRelayed(site, { ...whisper, stream: true });
  });
});

describe('openai: moderations, rerank and models', () => {
  it('moderates', async () => {
    const { results } = await client.moderations.create({ model: 'team-moderation', input: 'I kill time' });
    expect(results[0]?.flagged).toBe(true);
    await expectRelayed(site, { operation: 'moderation', provider: 'openai', model: 'team-moderation' });
  });

  it('reranks', async () => {
    const reply = await fetch(`${site.url}/v1/rerank`, {
      method: 'POST',
      headers: { authorization: `Bearer ${site.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'team-rerank', query: 'brown fox', documents: ['a dog', 'a brown fox'] }),
    });
    const { results } = (await reply.json()) as { results: { index: number }[] };
    expect(results[0]?.index).toBe(1);
    await expectRelayed(site, {
      ...{ operation: 'rerank', provider: 'openai', model: 'team-rerank', reportsUsage: false },
    });
  });

  it('lists only the models of the profile, and finds one whose name has a slash', async () => {
    const ids = (await collect(client.models.list())).map((model) => model.id);
    expect(ids).toContain('team-gpt');
    expect(ids).toContain('acme/chat');
    expect(ids).not.toContain('secret-model');
    expect((await client.models.retrieve('acme/chat')).id).toBe('acme/chat');
    await expect(client.models.retrieve('secret-model')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await untilEnded(site, 3);
    expect(site.upstream.requestCount).toBe(0);
    expect(site.records.map(({ operation, usage }) => [operation, usage])).toEqual([
      ['list-models', undefined],
      ['get-model', undefined],
      ['get-model', undefined],
    ]);
  });

  it('serves a model whose name has a slash', async () => {
    await client.chat.completions.create({ model: 'acme/chat', messages });
    await expectRelayed(site, { operation: 'chat', provider: 'openai', model: 'acme/chat' });
  });
});
