import { GoogleGenAI } from '@google/genai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { collect } from './collect.ts';
import { createSite, type Site } from './harness.ts';
import { expectRelayed, untilEnded } from './relayed.ts';

let site: Site;
beforeAll(async () => {
  site = await createSite();
});
beforeEach(() => site.reset());
afterAll(() => site.close());

const model = 'team-gemini';
const generate = { operation: 'generate-content', provider: 'gemini', model } as const;
const embed = { operation: 'embed-content', provider: 'gemini', model: 'team-gemini-embedding' } as const;
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

function createClient(apiVersion: string | undefined, prefix = ''): GoogleGenAI {
  const version = apiVersion === undefined ? {} : { apiVersion };
  return new GoogleGenAI({ apiKey: site.key, ...version, httpOptions: { baseUrl: site.url + prefix } });
}

describe.each([undefined, 'v1', 'v1beta'])('@google/genai with the version %s', (apiVersion) => {
  it('generates content under the version of the client', async () => {
    const reply = await createClient(apiVersion).models.generateContent({
      model,
      contents: 'Grüße, say something.',
      config: { systemInstruction: 'Be brief.', maxOutputTokens: 100 },
    });
    expect(reply.text).toContain('quick brown fox');
    await expectRelayed(site, generate);
    const version = apiVersion ?? site.arrivals[0]?.path.split('/')[1];
    expect(site.upstream.requests[0]?.path).toBe(`/${version}/models/gemini-3.5-flash:generateContent`);
    expect(site.arrivals[0]?.headers['x-goog-api-key']).toBe(site.key);
  });

  it('streams content', async () => {
    const stream = await createClient(apiVersion).models.generateContentStream({ model, contents: 'Hello' });
    const chunks = await collect(stream);
    expect(chunks.map((chunk) => chunk.text).join('')).toContain('forty-two.');
    await expectRelayed(site, { ...generate, stream: true });
    expect(site.upstream.requests[0]?.query).toBe('alt=sse');
    expect(chunks.at(-1)?.usageMetadata?.candidatesTokenCount).toBe(site.records[0]?.usage?.outputTokens);
  });

  it('completes a round trip of tools, the signature of the thought kept', async () => {
    const client = createClient(apiVersion);
    const contents: object[] = [{ role: 'user', parts: [{ text: 'What is the weather?' }] }];
    const turn = await client.models.generateContent({ model, contents, config: { tools } });
    expect(turn.functionCalls?.[0]).toMatchObject({ name: 'get_weather', args: { city: 'Paris' } });
    const answer = turn.candidates?.[0]?.content ?? {};
    const response = { name: 'get_weather', response: { output: 'Sunny in Paris' } };
    contents.push(answer, { role: 'user', parts: [{ functionResponse: response }] });
    const next = await client.models.generateContent({ model, contents, config: { tools } });
    expect(next.text).toContain('forty-two.');
    await expectRelayed(site, generate, generate);
    expect(site.upstream.requests[1]?.body.toString()).toContain('thoughtSignature');
  });

  it('counts thoughts as output and cached tokens as input', async () => {
    site.script = () => ({
      reasoning: 'Let me think about that.',
      text: 'Done.',
      usage: { inputTokens: 50, cachedTokens: 450 },
    });
    await createClient(apiVersion).models.generateContent({ model, contents: 'Hello' });
    await collect(await createClient(apiVersion).models.generateContentStream({ model, contents: 'Hello' }));
    await expectRelayed(site, generate, { ...generate, stream: true });
    for (const { usage } of site.records) {
      expect(usage).toMatchObject({ inputTokens: 500, cachedInputTokens: 450, outputTokens: 8 });
    }
  });

  it('counts tokens without counting them as used', async () => {
    const { totalTokens } = await createClient(apiVersion).models.countTokens({
      model,
      contents: 'Count me',
    });
    expect(totalTokens).toBe(2);
    await expectRelayed(site, { ...generate, operation: 'count-tokens' });
  });

  it('embeds, one text and several, each naming the model again inside', async () => {
    const client = createClient(apiVersion);
    const one = await client.models.embedContent({ model: 'team-gemini-embedding', contents: 'one' });
    const two = await client.models.embedContent({
      model: 'team-gemini-embedding',
      contents: ['one', 'two'],
    });
    expect(one.embeddings).toHaveLength(1);
    expect(two.embeddings).toHaveLength(2);
    expect(two.embeddings?.[0]?.values).toEqual(one.embeddings?.[0]?.values);
    await expectRelayed(site, embed, embed);
  });

  it('lists the models of the profile page by page, and finds one', async () => {
    const client = createClient(apiVersion);
    const ids = (await collect(await client.models.list({ config: { pageSize: 5 } }))).map(
      ({ name }) => name,
    );
    expect(ids.length).toBeGreaterThan(5);
    expect(ids).toEqual([...new Set(ids)]);
    expect(ids).toContain('models/team-gemini');
    expect(ids).not.toContain('models/secret-model');
    expect((await client.models.get({ model })).name).toBe('models/team-gemini');
    await expect(client.models.get({ model: 'secret-model' })).rejects.toMatchObject({ status: 404 });
    await untilEnded(site, Math.ceil(ids.length / 5) + 2);
    expect(site.upstream.requestCount).toBe(0);
  });

  it('works under a mount prefix', async () => {
    const reply = await createClient(apiVersion, '/llm/google').models.generateContent({
      model,
      contents: 'Hello',
    });
    expect(reply.text).toContain('quick brown fox');
    const path = site.arrivals[0]?.path.slice('/llm/google'.length).replace(model, 'gemini-3.5-flash') ?? '';
    await expectRelayed(site, { ...generate, path });
  });
});
