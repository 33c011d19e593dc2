import OpenAI from 'openai';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  countTokens,
  createFakeUpstream,
  type ScriptedReply,
} from '../../src/testing/fake-upstream/index.ts';
import { collect } from './collect.ts';

let script: ScriptedReply | undefined;
const upstream = await createFakeUpstream({ apiKeys: ['sk-good'], reply: () => script });
const client = new OpenAI({ baseURL: `${upstream.url}/v1`, apiKey: 'sk-good', maxRetries: 0 });
const messages = [{ role: 'user' as const, content: 'Say something.' }];
const weatherTool = {
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

beforeEach(() => {
  upstream.reset();
  script = undefined;
});
afterAll(() => upstream.close());

describe('OpenAI chat completions', () => {
  it('answers a dated model, a text, a finish reason and usage that adds up', async () => {
    const { data, response } = await client.chat.completions
      .create({ model: 'gpt-4o', messages })
      .withResponse();
    expect(data.id).toMatch(/^chatcmpl-\w{29}$/);
    expect(data.model).toMatch(/^gpt-4o-\d{4}-\d{2}-\d{2}$/);
    const text = data.choices[0]?.message.content ?? '';
    expect(text).toContain('quick brown fox');
    expect(data.choices[0]?.finish_reason).toBe('stop');
    expect(data.usage?.prompt_tokens).toBe(countTokens('Say something.'));
    expect(data.usage?.completion_tokens).toBe(countTokens(text));
    expect(data.usage?.total_tokens).toBe(
      (data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0),
    );
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('9999');
  });

  it('sends the usage chunk only when it is asked for, and null usage on the other chunks', async () => {
    const collectChunks = async (options?: { include_usage: boolean }) => {
      const stream = await client.chat.completions.create({
        model: 'gpt-4o',
        messages,
        stream: true,
        ...(options === undefined ? {} : { stream_options: options }),
      });
      return collect(stream);
    };
    const plain = await collectChunks();
    expect(plain.every((chunk) => !('usage' in chunk) && chunk.choices.length === 1)).toBe(true);
    const metered = await collectChunks({ include_usage: true });
    expect(metered.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(metered.at(-1)?.choices).toEqual([]);
    const whole = await client.chat.completions.create({ model: 'gpt-4o', messages });
    expect(metered.at(-1)?.usage).toEqual(whole.usage);
    const text = metered.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(whole.choices[0]?.message.content);
  });

  it('ends a raw stream with [DONE] and sends bare data lines', async () => {
    const response = await fetch(`${upstream.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-good', 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages, stream: true }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text).not.toContain('event:');
  });

  it('completes a round trip of tools with runTools, streaming or not', async () => {
    const cities: string[] = [];
    const tool = {
      type: 'function' as const,
      function: {
        ...weatherTool,
        parse: JSON.parse,
        function: ({ city }: { city: string }) => {
          cities.push(city);
          return `Sunny in ${city}`;
        },
      },
    };
    const ask = [{ role: 'user' as const, content: 'What is the weather?' }];
    const runner = client.chat.completions.runTools({ model: 'gpt-4o', messages: ask, tools: [tool] });
    expect(await runner.finalContent()).toContain('quick brown fox');
    const streamed = client.chat.completions.runTools({
      model: 'gpt-4o',
      stream: true,
      messages: ask,
      tools: [tool],
    });
    expect(await streamed.finalContent()).toContain('quick brown fox');
    expect(cities).toEqual(['Paris', 'Paris']);
    expect(upstream.requests).toHaveLength(4);
  });

  it('obeys max tokens, stop, n and a JSON schema', async () => {
    const short = await client.chat.completions.create({
      model: 'gpt-4o',
      messages,
      max_completion_tokens: 2,
    });
    expect(short.choices[0]?.finish_reason).toBe('length');
    expect(short.usage?.completion_tokens).toBe(2);
    const stopped = await client.chat.completions.create({ model: 'gpt-4o', messages, stop: [' fox'], n: 2 });
    expect(stopped.choices.map((choice) => choice.message.content)).toEqual([
      'The quick brown',
      'The quick brown',
    ]);
    const schema = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] };
    const json = await client.chat.completions.create({
      model: 'gpt-4o',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
    });
    expect(JSON.parse(json.choices[0]?.message.content ?? '')).toEqual({ count: 1 });
  });

  it('sends what the script says, and bills it', async () => {
    script = { text: 'Hello!', reasoning: 'Let me think.', usage: { inputTokens: 70, cachedTokens: 30 } };
    const stream = client.chat.completions.stream({
      model: 'gpt-4o',
      messages,
      stream_options: { include_usage: true },
    });
    const completion = await stream.finalChatCompletion();
    expect(completion.choices[0]?.message.content).toBe('Hello!');
    expect(completion.usage?.prompt_tokens).toBe(100);
    expect(completion.usage?.prompt_tokens_details?.cached_tokens).toBe(30);
    expect(completion.usage?.completion_tokens_details?.reasoning_tokens).toBe(countTokens('Let me think.'));
    expect(upstream.tally[0]).toMatchObject({
      billedInputTokens: 100,
      billedOutputTokens: 6,
      complete: true,
    });
  });

  it('words its errors as OpenAI does', async () => {
    const bad = client.withOptions({ apiKey: 'sk-wrong' });
    await expect(bad.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    await expect(client.models.retrieve('gpt-none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
    await expect(client.post('/chat/completions', { body: { messages } })).rejects.toMatchObject({
      status: 400,
    });
    await expect(client.get('/nothing')).rejects.toThrow('Invalid URL (GET /v1/nothing)');
  });
});

describe('OpenAI responses', () => {
  it('streams typed events with rising sequence numbers up to response.completed', async () => {
    const stream = await client.responses.create({ model: 'gpt-5.5', input: 'Hi', stream: true });
    const events = await collect(stream);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.slice(0, 4).map((event) => event.type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
    ]);
    const last = events.at(-1);
    expect(last?.type).toBe('response.completed');
    const text = events
      .map((event) => (event.type === 'response.output_text.delta' ? event.delta : ''))
      .join('');
    expect(last?.type === 'response.completed' && last.response.output[0]).toMatchObject({
      content: [{ text }],
    });
    const final = await client.responses.stream({ model: 'gpt-5.5', input: 'Hi' }).finalResponse();
    expect(final.output_text).toBe(text);
  });

  it('calls functions, streaming or not, and answers with text after their output', async () => {
    const body = {
      model: 'gpt-5.5',
      input: 'The weather, please',
      tools: [{ type: 'function' as const, strict: false, ...weatherTool }],
    };
    const whole = await client.responses.create(body);
    const call = whole.output[0];
    expect(call).toMatchObject({ type: 'function_call', name: 'get_weather', arguments: '{"city":"Paris"}' });
    const streamed = await client.responses.stream(body).finalResponse();
    expect(streamed.output[0]).toMatchObject({ type: 'function_call', arguments: '{"city":"Paris"}' });
    if (call?.type !== 'function_call') {
      throw new Error('no call');
    }
    const next = await client.responses.create({
      ...body,
      previous_response_id: whole.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'Sunny' }],
    });
    expect(next.output_text).toContain('quick brown fox');
  });

  it('stores, lists, deletes and counts', async () => {
    const made = await client.responses.create({ model: 'gpt-5.5', input: 'Remember me' });
    expect(await client.responses.retrieve(made.id)).toMatchObject({ id: made.id, status: 'completed' });
    const items = await collect(client.responses.inputItems.list(made.id));
    expect(items[0]).toMatchObject({ role: 'user', content: [{ type: 'input_text', text: 'Remember me' }] });
    await expect(client.responses.cancel(made.id)).rejects.toMatchObject({ status: 400 });
    await client.responses.delete(made.id);
    await expect(client.responses.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
    const background = await client.responses.create({ model: 'gpt-5.5', input: 'Slowly', background: true });
    expect(background.status).toBe('queued');
    expect((await client.responses.cancel(background.id)).status).toBe('cancelled');
    const count = await client.responses.inputTokens.count({ model: 'gpt-5.5', input: 'Remember me' });
    expect(count).toEqual({ object: 'response.input_tokens', input_tokens: made.usage?.input_tokens });
  });

  it('ends in response.incomplete when the tokens run out', async () => {
    const response = await client.responses
      .stream({ model: 'gpt-5.5', input: 'Hi', max_output_tokens: 2 })
      .finalResponse();
    expect(response).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    });
  });

  it('streams reasoning summaries before the text', async () => {
    script = { text: 'Yes.', reasoning: 'Thinking it over.' };
    const response = await client.responses.stream({ model: 'gpt-5.5', input: 'Hi' }).finalResponse();
    expect(response.output[0]).toMatchObject({ type: 'reasoning', summary: [{ text: 'Thinking it over.' }] });
    expect(response.output_text).toBe('Yes.');
  });
});
