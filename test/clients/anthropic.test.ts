import AnthropicOne from '@anthropic-ai/sdk';
import AnthropicZero from 'anthropic-sdk-0';
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

const base = { model: 'team-claude', max_tokens: 256 };
const ask = { ...base, messages: [{ role: 'user' as const, content: 'Grüße, say something.' }] };
const tools = [
  {
    name: 'get_weather',
    description: 'The weather of a city',
    input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
  },
];
const message = { operation: 'message', provider: 'anthropic', model: 'team-claude' } as const;
const batch = { operation: 'message-batch-resource', provider: 'anthropic' } as const;

interface Version {
  readonly name: string;
  readonly create: (options?: { baseURL?: string }) => AnthropicOne;
  /** Where this version puts the key, and what protocol it says it speaks. */
  readonly credential: (key: string) => object;
  readonly api: string;
  readonly betaQuery: string;
}

const versions: readonly Version[] = [
  {
    name: '1.x',
    create: (options) => new AnthropicOne({ baseURL: site.url, apiKey: site.key, maxRetries: 0, ...options }),
    credential: (key) => ({ authorization: `Bearer ${key}` }),
    api: '2026-10-21',
    betaQuery: '',
  },
  {
    name: '0.x',
    // the methods used here have the same types in both
    create: (options) =>
      new AnthropicZero({
        baseURL: site.url,
        apiKey: site.key,
        maxRetries: 0,
        ...options,
      }) as unknown as AnthropicOne,
    credential: (key) => ({ 'x-api-key': key }),
    api: '2023-06-01',
    betaQuery: 'beta=true',
  },
];

describe.each(versions)('@anthropic-ai/sdk $name', ({ create, credential, api, betaQuery }) => {
  it('answers a message, with a request id of the gateway', async () => {
    const { data, request_id } = await create().messages.create(ask).withResponse();
    expect(data.content[0]).toMatchObject({ type: 'text', text: expect.stringContaining('quick brown fox') });
    await expectRelayed(site, message);
    expect(request_id).toBe(site.records[0]?.id);
    expect(site.arrivals[0]?.headers).toMatchObject(credential(site.key));
    expect(site.upstream.requests[0]?.headers['anthropic-version']).toBe(api);
  });

  it('streams a message, raw and by the helper', async () => {
    const events = await collect(await create().messages.create({ ...ask, stream: true }));
    expect(events.at(-1)?.type).toBe('message_stop');
    const final = await create().messages.stream(ask).finalMessage();
    expect(final.content[0]).toMatchObject({ text: expect.stringContaining('forty-two.') });
    await expectRelayed(site, { ...message, stream: true }, { ...message, stream: true });
    expect(final.usage.output_tokens).toBe(site.records[1]?.usage?.outputTokens);
  });

  it('completes a round trip of tools', async () => {
    const messages = [{ role: 'user' as const, content: 'What is the weather?' }];
    const turn = await create()
      .messages.stream({ ...base, messages, tools })
      .finalMessage();
    expect(turn.stop_reason).toBe('tool_use');
    const call = turn.content.find((block) => block.type === 'tool_use');
    expect(call?.input).toEqual({ city: 'Paris' });
    const result = { type: 'tool_result' as const, tool_use_id: String(call?.id), content: 'Sunny in Paris' };
    const next = await create().messages.create({
      ...base,
      tools,
      messages: [
        ...messages,
        { role: 'assistant', content: turn.content },
        { role: 'user', content: [result] },
      ],
    });
    expect(next.stop_reason).toBe('end_turn');
    await expectRelayed(site, { ...message, stream: true }, message);
  });

  it('keeps thinking blocks and their signatures as they came, both ways', async () => {
    site.script = () => ({ reasoning: 'Let me think about that.', text: 'Done.' });
    const turn = await create().messages.stream(ask).finalMessage();
    const thinking = turn.content.find((block) => block.type === 'thinking');
    expect(thinking?.signature).toBeTruthy();
    await create().messages.create({
      ...base,
      messages: [
        ...ask.messages,
        { role: 'assistant', content: turn.content },
        { role: 'user', content: 'Go on.' },
      ],
    });
    expect(site.upstream.requests[1]?.body.toString()).toContain(JSON.stringify(thinking?.signature));
    await expectRelayed(site, { ...message, stream: true }, message);
  });

  it('keeps what was read from and written to the cache apart in the record', async () => {
    const usage = { inputTokens: 10, cachedTokens: 800, cacheWriteTokens: 200, cacheWrite1hTokens: 50 };
    site.script = () => ({ text: 'Done.', usage });
    await create().messages.create(ask);
    await create().messages.stream(ask).finalMessage();
    await expectRelayed(site, message, { ...message, stream: true });
    for (const record of site.records) {
      expect(record.usage).toMatchObject({
        inputTokens: 1_060,
        cachedInputTokens: 800,
        cacheWrite5mTokens: 200,
        cacheWrite1hTokens: 50,
      });
    }
  });

  it('counts tokens, with betas and what else the caller asks for, without counting them as used', async () => {
    const counted = await create().messages.countTokens({ model: 'team-claude', messages: ask.messages });
    expect(counted.input_tokens).toBeGreaterThan(0);
    const count = { ...message, operation: 'message-count-tokens' };
    await create().beta.messages.countTokens({
      ...{ model: 'team-claude', messages: ask.messages, betas: ['interleaved-thinking-2025-05-14'] },
    });
    await expectRelayed(site, count, count);
    expect(site.upstream.requests[1]?.headers['anthropic-beta']).toContain('interleaved-thinking-2025-05-14');
    expect(site.upstream.requests[1]?.query).toBe(betaQuery);
  });

  it('keeps every beta of a message', async () => {
    const betas = ['context-management-2025-06-27', 'effort-2025-11-24'];
    await create().beta.messages.create({ ...ask, betas });
    await expectRelayed(site, message);
    expect(site.upstream.requests[0]?.headers['anthropic-beta']).toBe(betas.join(','));
  });

  it('lists the models of the profile page by page, and finds one', async () => {
    const first = await create().models.list({ limit: 5 });
    expect([first.data.length, first.has_more]).toEqual([5, true]);
    const all = await collect(create().models.list({ limit: 5 }));
    const ids = all.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    expect(ids).toEqual(expect.arrayContaining(['team-claude', 'claude-haiku-4-5', 'acme/chat']));
    expect(ids).not.toContain('secret-model');
    expect(await create().models.retrieve('acme/chat')).toMatchObject({
      ...{ type: 'model', id: 'acme/chat', display_name: 'Chat' },
    });
    await expect(create().models.retrieve('secret-model')).rejects.toMatchObject({
      ...{ status: 404, type: 'not_found_error' },
    });
    await untilEnded(site, 1 + Math.ceil(ids.length / 5) + 2);
    expect(site.upstream.requestCount).toBe(0);
  });

  it.each(['', '/llm/anthropic'])(
    'runs a batch under the mount prefix "%s", whose results lead back to the gateway',
    async (prefix) => {
      const { batches } = create({ baseURL: site.url + prefix }).messages;
      const requests = ['a', 'b'].map((custom_id) => ({ custom_id, params: ask }));
      const made = await batches.create({ requests });
      const ended = await batches.retrieve(made.id);
      expect(ended.results_url).toBe(`${site.url}${prefix}/v1/messages/batches/${made.id}/results`);
      const lines = await collect(await batches.results(made.id));
      expect(lines.map((line) => [line.custom_id, line.result.type])).toEqual([
        ['a', 'succeeded'],
        ['b', 'succeeded'],
      ]);
      const listed = await collect(batches.list());
      expect(listed[0]?.results_url).toBe(ended.results_url);
      expect(await batches.delete(made.id)).toMatchObject({ id: made.id });
      const at = (tail: string) => ({ ...batch, path: `/v1/messages/batches${tail}` });
      await expectRelayed(
        site,
        { ...message, operation: 'message-batch-create', path: '/v1/messages/batches' },
        at(`/${made.id}`),
        // results() asks for the batch once more, to learn the address
        at(`/${made.id}`),
        at(`/${made.id}/results`),
        // own ones may stand behind those of others
        { ...at(''), query: 'limit=1000' },
        at(`/${made.id}`),
      );
    },
  );

  it('cancels a batch', async () => {
    const { batches } = create().messages;
    const { id } = await batches.create({ requests: [{ custom_id: 'a', params: ask }] });
    expect((await batches.cancel(id)).processing_status).toBe('canceling');
    await expectRelayed(site, { ...message, operation: 'message-batch-create' }, batch);
  });
});
