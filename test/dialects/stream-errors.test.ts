import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { DialectName } from '../../src/dialects/dialect.ts';
import { dialectByName } from '../../src/dialects/index.ts';
import { GatewayError } from '../../src/errors.ts';
import { toData, toTyped } from './read-stream.ts';

const names = Object.keys(dialectByName) as DialectName[];

describe('errors within a stream', () => {
  const error = new GatewayError('stream_incomplete', 'The provider\nstopped "early".');
  const serve = (body: string) => async () =>
    new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  const drain = async (open: () => Promise<AsyncIterable<unknown>>) => {
    const items: unknown[] = [];
    try {
      for await (const item of await open()) items.push(item);
      return { items, thrown: undefined };
    } catch (thrown) {
      return { items, thrown };
    }
  };

  it.each(names)('are one event of %s with its data on one line', (name) => {
    const text = dialectByName[name].renderStreamError(error, 'req_1');
    expect(text).toMatch(/^(event: error\n)?data: \{.*\}\n\n$/);
    expect(text).not.toContain('[DONE]');
    expect(text.startsWith('event:')).toBe(name === 'anthropic-messages' || name === 'openai-responses');
  });

  it('end a chat stream of the openai library with an APIError', async () => {
    const first = {
      id: 'c',
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta: { content: 'hi' } }],
    };
    const body = toData(first) + dialectByName['openai-chat'].renderStreamError(error, 'req_1');
    const client = new OpenAI({ apiKey: 'k', baseURL: 'http://gateway.test/v1', fetch: serve(body) });
    const { items, thrown } = await drain(() =>
      client.chat.completions.create({ model: 'm', messages: [], stream: true }),
    );
    expect(items).toHaveLength(1);
    expect(thrown).toBeInstanceOf(OpenAI.APIError);
    expect(thrown).toMatchObject({ type: 'server_error', code: 'stream_incomplete', message: error.message });
  });

  it('end a responses stream of the openai library with an APIError', async () => {
    const first = toTyped({ type: 'response.output_text.delta', delta: 'hi' } as { type: string });
    const body = first + dialectByName['openai-responses'].renderStreamError(error, 'req_1');
    const client = new OpenAI({ apiKey: 'k', baseURL: 'http://gateway.test/v1', fetch: serve(body) });
    const { items, thrown } = await drain(() =>
      client.responses.create({ model: 'm', input: 'x', stream: true }),
    );
    expect(items).toHaveLength(1);
    expect(thrown).toBeInstanceOf(OpenAI.APIError);
    expect(thrown).toMatchObject({ code: 'stream_incomplete', param: null });
  });

  it('end a messages stream of the Anthropic library with an APIError', async () => {
    const overloaded = new GatewayError('upstream_overloaded', 'Busy.');
    const first = toTyped({ type: 'message_start', message: { usage: {} } } as { type: string });
    const body = first + dialectByName['anthropic-messages'].renderStreamError(overloaded, 'req_1');
    const client = new Anthropic({ apiKey: 'k', baseURL: 'http://gateway.test', fetch: serve(body) });
    const { items, thrown } = await drain(() =>
      client.messages.create({ model: 'm', max_tokens: 9, messages: [], stream: true }),
    );
    expect(items).toHaveLength(1);
    expect(thrown).toBeInstanceOf(Anthropic.APIError);
    expect(thrown).toMatchObject({ type: 'overloaded_error', apiMessage: 'Busy.' });
  });

  it("end a stream of Google's library with an ApiError of the right status", async () => {
    const first = { candidates: [{ content: { parts: [{ text: 'hi' }], role: 'model' }, index: 0 }] };
    const body = toData(first) + dialectByName.gemini.renderStreamError(error, 'req_1');
    const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: 'http://gateway.test' } });
    const original = globalThis.fetch;
    globalThis.fetch = serve(body) as typeof fetch;
    try {
      const { items, thrown } = await drain(() =>
        client.models.generateContentStream({ model: 'm', contents: 'x' }),
      );
      expect(items).toHaveLength(1);
      expect(thrown).toMatchObject({ name: 'ApiError', status: 502 });
    } finally {
      globalThis.fetch = original;
    }
  });
});
