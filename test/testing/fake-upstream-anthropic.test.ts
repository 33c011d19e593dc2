import AnthropicOne from '@anthropic-ai/sdk';
import AnthropicZero from 'anthropic-sdk-0';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  countTokens,
  createFakeUpstream,
  type ScriptedReply,
} from '../../src/testing/fake-upstream/index.ts';
import { collect } from './collect.ts';

let script: ScriptedReply | undefined;
const upstream = await createFakeUpstream({ apiKeys: ['sk-ant'], reply: () => script });
const settings = { baseURL: upstream.url, apiKey: 'sk-ant', maxRetries: 0 };
const one = new AnthropicOne(settings);
const zero = new AnthropicZero(settings);
const base = { model: 'claude-sonnet-5', max_tokens: 256 };
const ask = { ...base, messages: [{ role: 'user' as const, content: 'Say something.' }] };
const tools = [
  {
    name: 'get_weather',
    description: 'The weather of a city',
    input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
  },
];

beforeEach(() => {
  upstream.reset();
  script = undefined;
});
afterAll(() => upstream.close());

describe.each([
  ['1.x', one, 'authorization'],
  ['0.x', zero as unknown as AnthropicOne, 'x-api-key'],
] as const)('Anthropic messages with the SDK %s', (_, client, credentialHeader) => {
  it('answers a message with usage and rate-limit headers', async () => {
    const { data, response } = await client.messages.create(ask).withResponse();
    expect(upstream.requests[0]?.headers[credentialHeader]).toContain('sk-ant');
    expect(data).toMatchObject({
      type: 'message',
      role: 'assistant',
      stop_reason: 'end_turn',
      stop_sequence: null,
    });
    expect(data.model).toMatch(/^claude-sonnet-5-\d{8}$/);
    const text = data.content[0]?.type === 'text' ? data.content[0].text : '';
    expect(data.usage.output_tokens).toBe(countTokens(text));
    expect(response.headers.get('request-id')).toMatch(/^req_011C/);
    expect(response.headers.get('anthropic-ratelimit-tokens-reset')).toMatch(/^\d{4}-.*Z$/);
  });

  it('streams the same message, with a ping inside and cumulative usage at the end', async () => {
    const whole = await client.messages.create(ask);
    const final = await client.messages.stream(ask).finalMessage();
    expect(final.content).toEqual(whole.content);
    expect(final.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(final.usage.input_tokens).toBe(whole.usage.input_tokens);
    const types = (await collect(await client.messages.create({ ...ask, stream: true }))).map(
      (event) => event.type,
    );
    expect(types.filter((type) => type !== 'content_block_delta')).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  it('completes a round trip of tools', async () => {
    const messages = [{ role: 'user' as const, content: 'What is the weather?' }];
    const whole = await client.messages.create({ ...base, messages, tools });
    const streamed = await client.messages.stream({ ...base, messages, tools }).finalMessage();
    expect(whole.stop_reason).toBe('tool_use');
    expect(streamed.stop_reason).toBe('tool_use');
    const call = streamed.content[0];
    expect(call).toMatchObject({ type: 'tool_use', name: 'get_weather', input: { city: 'Paris' } });
    const result = {
      type: 'tool_result' as const,
      tool_use_id: String(call && 'id' in call && call.id),
      content: 'Sunny',
    };
    const next = await client.messages.create({
      ...base,
      tools,
      messages: [
        ...messages,
        { role: 'assistant', content: streamed.content },
        { role: 'user', content: [result] },
      ],
    });
    expect(next.stop_reason).toBe('end_turn');
  });

  it('counts tokens as the message then reports them, and refuses a bad key', async () => {
    const count = await client.messages.countTokens({ model: ask.model, messages: ask.messages });
    const message = await client.messages.create(ask);
    expect(count.input_tokens).toBe(message.usage.input_tokens);
    const bad = client.withOptions({ apiKey: 'sk-bad' });
    await expect(bad.messages.create(ask)).rejects.toMatchObject({
      status: 401,
      type: 'authentication_error',
    });
  });

  it('runs a batch through its results url, which points to the upstream itself', async () => {
    const params = { ...ask, stream: false as const };
    const made = await client.messages.batches.create({ requests: [{ custom_id: 'a', params }] });
    expect(made.processing_status).toBe('in_progress');
    const ended = await client.messages.batches.retrieve(made.id);
    expect(ended.results_url).toBe(`${upstream.url}/v1/messages/batches/${made.id}/results`);
    const lines = await collect(await client.messages.batches.results(made.id));
    expect(lines).toMatchObject([
      { custom_id: 'a', result: { type: 'succeeded', message: { role: 'assistant' } } },
    ]);
    expect(await collect(client.messages.batches.list())).toHaveLength(1);
    expect(await client.messages.batches.delete(made.id)).toEqual({
      id: made.id,
      type: 'message_batch_deleted',
    });
    const other = await client.messages.batches.create({ requests: [{ custom_id: 'b', params }] });
    expect((await client.messages.batches.cancel(other.id)).processing_status).toBe('canceling');
  });

  it('lists models in pages', async () => {
    const first = await client.models.list({ limit: 2 });
    expect(first.data).toHaveLength(2);
    expect(first.has_more).toBe(true);
    const all = await collect(client.models.list({ limit: 1 }));
    expect(all.map((model) => model.id)).toContain('claude-haiku-4-5-20251001');
    expect(await client.models.retrieve('claude-sonnet-5')).toMatchObject({
      display_name: 'Claude Sonnet 5',
    });
    await expect(client.models.retrieve('claude-none')).rejects.toMatchObject({ status: 404 });
  });
});

describe('Anthropic details', () => {
  it('writes a marked prefix to the cache once and reads it afterwards', async () => {
    const system = [
      {
        type: 'text' as const,
        text: 'A long instruction.',
        cache_control: { type: 'ephemeral' as const, ttl: '1h' as const },
      },
    ];
    const first = await one.messages.create({ ...ask, system });
    const second = await one.messages.create({ ...ask, system });
    const prefix = countTokens('A long instruction.');
    expect(first.usage).toMatchObject({
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_1h_input_tokens: prefix },
    });
    expect(second.usage).toMatchObject({ cache_read_input_tokens: prefix, cache_creation_input_tokens: 0 });
    expect(second.usage.input_tokens).toBe(first.usage.input_tokens);
    expect(upstream.tally.map((entry) => entry.billedInputTokens)).toEqual([
      first.usage.input_tokens + prefix,
      first.usage.input_tokens + prefix,
    ]);
  });

  it('streams thinking with its signature before the text', async () => {
    script = { text: 'Yes.', reasoning: 'Thinking it over.' };
    const message = await one.messages.stream(ask).finalMessage();
    expect(message.content[0]).toMatchObject({ type: 'thinking', thinking: 'Thinking it over.' });
    expect(message.content[0]?.type === 'thinking' && message.content[0].signature.length).toBeGreaterThan(
      40,
    );
    expect(message.content[1]).toMatchObject({ type: 'text', text: 'Yes.' });
  });

  it('names a stop sequence, and requires the version header and max_tokens', async () => {
    const stopped = await one.messages.create({ ...ask, stop_sequences: [' fox'] });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: ' fox' });
    const post = (headers: Record<string, string>, body: unknown) =>
      fetch(`${upstream.url}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': 'sk-ant', ...headers },
        body: JSON.stringify(body),
      }).then((response) => response.json());
    expect(await post({}, ask)).toMatchObject({
      error: { message: 'anthropic-version: header is required' },
    });
    const { max_tokens: _, ...rest } = ask;
    expect(await post({ 'anthropic-version': '2023-06-01' }, rest)).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'max_tokens: Field required' },
      request_id: expect.stringMatching(/^req_/),
    });
  });
});
