import { GoogleGenAI } from '@google/genai';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  countTokens,
  createFakeUpstream,
  type ScriptedReply,
} from '../../src/testing/fake-upstream/index.ts';
import { collect } from './collect.ts';

let script: ScriptedReply | undefined;
const upstream = await createFakeUpstream({ apiKeys: ['goog'], reply: () => script });
const model = 'gemini-3.5-flash';
const tools = [
  {
    functionDeclarations: [
      {
        name: 'get_weather',
        parametersJsonSchema: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    ],
  },
];

beforeEach(() => {
  upstream.reset();
  script = undefined;
});
afterAll(() => upstream.close());

describe.each(['v1', 'v1beta'])('Gemini under /%s', (apiVersion) => {
  const client = new GoogleGenAI({ apiKey: 'goog', apiVersion, httpOptions: { baseUrl: upstream.url } });

  it('generates and streams the same text and the same usage', async () => {
    const whole = await client.models.generateContent({ model, contents: 'Say something.' });
    expect(upstream.requests[0]?.path).toBe(`/${apiVersion}/models/${model}:generateContent`);
    expect(whole.text).toContain('quick brown fox');
    expect(whole.modelVersion).toBe(model);
    expect(whole.candidates?.[0]?.finishReason).toBe('STOP');
    const chunks = await collect(
      await client.models.generateContentStream({ model, contents: 'Say something.' }),
    );
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(whole.text);
    expect(chunks.every((chunk) => chunk.usageMetadata?.promptTokenCount === 4)).toBe(true);
    expect(chunks.at(-1)?.usageMetadata).toEqual(whole.usageMetadata);
    expect(whole.usageMetadata?.candidatesTokenCount).toBe(countTokens(whole.text ?? ''));
  });

  it('completes a round trip of tools', async () => {
    const ask = { role: 'user', parts: [{ text: 'The weather?' }] };
    const whole = await client.models.generateContent({ model, contents: [ask], config: { tools } });
    expect(whole.functionCalls).toEqual([{ name: 'get_weather', args: { city: 'Paris' } }]);
    expect(whole.candidates?.[0]?.finishReason).toBe('STOP');
    const stream = await client.models.generateContentStream({ model, contents: [ask], config: { tools } });
    expect((await collect(stream)).flatMap((chunk) => chunk.functionCalls ?? [])).toEqual(
      whole.functionCalls,
    );
    const result = { functionResponse: { name: 'get_weather', response: { output: 'Sunny' } } };
    const next = await client.models.generateContent({
      model,
      contents: [ask, whole.candidates?.[0]?.content ?? {}, { role: 'user', parts: [result] }],
      config: { tools },
    });
    expect(next.text).toContain('quick brown fox');
  });

  it('counts, embeds and lists', async () => {
    const count = await client.models.countTokens({ model, contents: 'Say something.' });
    expect(count.totalTokens).toBe(countTokens('Say something.'));
    const embedded = await client.models.embedContent({
      model: 'gemini-embedding-2',
      contents: ['one'],
      config: { outputDimensionality: 8 },
    });
    expect(embedded.embeddings?.[0]?.values).toHaveLength(8);
    const pager = await client.models.list({ config: { pageSize: 2 } });
    const names = (await collect(pager)).map((entry) => entry.name);
    expect(names).toEqual(['models/gemini-3.5-flash', 'models/gemini-3.1-pro', 'models/gemini-embedding-2']);
    expect(await client.models.get({ model })).toMatchObject({ name: `models/${model}` });
  });
});

describe('Gemini on the wire', () => {
  const post = (verb: string, body: unknown, key = 'goog') =>
    fetch(`${upstream.url}/v1beta/models/${model}:${verb}`, {
      method: 'POST',
      headers: key === '' ? {} : { 'x-goog-api-key': key },
      body: JSON.stringify(body),
    });
  const body = { contents: [{ parts: [{ text: 'Hi' }] }] };

  it('streams bare data lines with CRLF for alt=sse, and a JSON array without it', async () => {
    const sse = await (await post('streamGenerateContent?alt=sse', body)).text();
    expect(sse).not.toContain('event:');
    expect(sse).not.toContain('[DONE]');
    expect(sse.endsWith('\r\n\r\n')).toBe(true);
    const response = await post('streamGenerateContent', body);
    expect(response.headers.get('content-type')).toContain('application/json');
    const chunks = (await response.json()) as unknown[];
    expect(chunks.length).toBe(sse.trim().split('\r\n\r\n').length);
  });

  it('answers 400 to a wrong key, 403 to none, and takes the key from the query', async () => {
    const wrong = await post('generateContent', body, 'bad');
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({
      error: { code: 400, status: 'INVALID_ARGUMENT', details: [{ reason: 'API_KEY_INVALID' }] },
    });
    expect((await post('generateContent', body, '')).status).toBe(403);
    expect((await post('generateContent?key=goog', body, '')).status).toBe(200);
  });

  it('keeps thoughts out of the candidates count', async () => {
    script = { text: 'Yes.', reasoning: 'Thinking it over.' };
    expect(await (await post('generateContent', body)).json()).toMatchObject({
      candidates: [{ content: { parts: [{ thought: true }, { text: 'Yes.' }] } }],
      usageMetadata: {
        promptTokenCount: 1,
        candidatesTokenCount: 1,
        thoughtsTokenCount: 5,
        totalTokenCount: 7,
      },
    });
  });

  it('embeds one content and a batch alike', async () => {
    const request = { content: { parts: [{ text: 'one' }] }, outputDimensionality: 4 };
    const single = (await (await post('embedContent', request)).json()) as { embedding: unknown };
    const batch = (await (await post('batchEmbedContents', { requests: [request] })).json()) as {
      embeddings: unknown[];
    };
    expect(batch.embeddings).toEqual([single.embedding]);
  });
});

describe('GET /v1/models', () => {
  it('answers in the shape that the headers ask for', async () => {
    await using open = await createFakeUpstream();
    const get = async (headers: Record<string, string>) =>
      (await fetch(`${open.url}/v1/models`, { headers })).json() as Promise<object>;
    expect(await get({})).toMatchObject({ object: 'list' });
    expect(await get({ 'anthropic-version': '2023-06-01' })).toHaveProperty('has_more');
    expect(await get({ 'x-goog-api-key': 'k' })).toHaveProperty('models');
    expect(await get({ 'x-goog-api-client': 'google-genai-sdk/3.1.0' })).toHaveProperty('models');
  });
});
