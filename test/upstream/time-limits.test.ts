import { GoogleGenAI } from '@google/genai';
import type { GatewayConfig } from 'headgate';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { timeLimitsOf } from '../../src/upstream/time-limits.ts';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';

const none = { totalMs: undefined, beginMs: undefined };

describe('how long a request may take', () => {
  const cases: readonly [string, Record<string, string>, Record<string, unknown>, object][] = [
    ['is not bounded where nobody says so', {}, {}, none],
    ['is what the plan says', {}, { totalMs: 9_000 }, { totalMs: 9_000 }],
    [
      'is what the caller says, where that is less',
      { 'x-headgate-timeout-ms': '700' },
      { totalMs: 9_000 },
      { totalMs: 700 },
    ],
    [
      'is what the plan says, where that is less',
      { 'x-headgate-timeout-ms': '9999' },
      { totalMs: 900 },
      { totalMs: 900 },
    ],
    ['is what the library of Google says', { 'x-server-timeout': '3' }, {}, { totalMs: 3_000 }],
    [
      'is the least of all',
      { 'x-server-timeout': '3', 'x-headgate-timeout-ms': '2000', 'x-stainless-timeout': '4' },
      {},
      { totalMs: 2_000 },
    ],
    [
      'is what the libraries of OpenAI and Anthropic say',
      { 'x-stainless-timeout': '600' },
      {},
      { totalMs: 600_000 },
    ],
    [
      'goes for the beginning of a stream, there',
      { 'x-stainless-timeout': '5' },
      { stream: true },
      { beginMs: 5_000 },
    ],
    [
      'goes for the beginning beside all of it',
      { 'x-stainless-timeout': '5' },
      { stream: true, totalMs: 9_000 },
      { totalMs: 9_000, beginMs: 5_000 },
    ],
    [
      'knows no beginning that is later than the end',
      { 'x-stainless-timeout': '5' },
      { stream: true, totalMs: 900 },
      { totalMs: 900 },
    ],
    [
      'knows no beginning where the caller is kept waiting',
      { 'x-stainless-timeout': '5' },
      { stream: true, commit: 'complete' },
      {},
    ],
    ['never overflows', { 'x-server-timeout': '999999999999' }, {}, { totalMs: 2_147_483_647 }],
    ...['0', '-1', '1.5', 'abc', '1e3', ''].map(
      (value): [string, Record<string, string>, Record<string, unknown>, object] => [
        `is not bounded by nonsense: ${JSON.stringify(value)}`,
        { 'x-stainless-timeout': value, 'x-server-timeout': value, 'x-headgate-timeout-ms': value },
        {},
        none,
      ],
    ),
  ];
  it.each(cases)('%s', (_, headers, { totalMs, commit = 'content', stream = false }, expected) => {
    const context = {
      request: { headers },
      call: { stream },
      plan: { forwarding: { timeouts: { totalMs }, commit } },
    };
    expect(timeLimitsOf(context as never)).toEqual({ ...none, ...expected });
  });
});

describe('the time of a request that the libraries of providers give it', () => {
  const headers = { 'x-stainless-timeout': '1' };

  it('ends a reply that is not there by then', async () => {
    const { send, upstream } = await startGateway();
    upstream.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', chat(), { headers });
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([504, 'upstream_timeout']);
  });

  it('ends a stream that has not begun by then, and lets one that has begun go on', async () => {
    const { send, upstream, gateway } = await startGateway(undefined, {}, { chunkDelayMs: 150 });
    const reply = await send('/v1/chat/completions', chat({ stream: true }), { headers });
    expect(await readText(reply)).toMatch(/\[DONE\]\n\n$/);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]?.durationMs).toBeGreaterThan(1_200);
    upstream.fail({ kind: 'stall' });
    const stalled = await send('/v1/chat/completions', chat({ stream: true }), { headers });
    expect([stalled.status, (await readJson(stalled)).error.code]).toEqual([504, 'upstream_timeout']);
  });
});

describe('what is left of the time of a request', () => {
  const message = { model: 'claude-sonnet', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] };
  const calls: readonly [string, string, object, string][] = [
    ['OpenAI', '/v1/chat/completions', chat(), 'x-stainless-timeout'],
    ['Anthropic', '/v1/messages', message, 'x-stainless-timeout'],
    ['Google', '/v1beta/models/gemini-flash:generateContent', { contents: [] }, 'x-server-timeout'],
  ];
  const asked = { 'x-headgate-timeout-ms': '7000', 'anthropic-version': '2023-06-01' };

  it.each(calls)('is told to %s as its own library tells it', async (_, path, body, name) => {
    const { send, upstream } = await startGateway();
    await send(path, body, { headers: asked });
    expect(upstream.requests[0]?.headers[name]).toBe('7');
    // nobody's header of ours goes there
    expect(upstream.requests[0]?.headers['x-headgate-timeout-ms']).toBeUndefined();
    await send(path, body, { headers: { 'anthropic-version': '2023-06-01' } });
    expect(upstream.requests[1]?.headers[name]).toBeUndefined();
  });

  it('is less for each attempt, and is told once where the configuration passes the header on', async () => {
    const { send, upstream } = await startGateway((config) => ({
      ...config,
      providers: {
        ...config.providers,
        openai: {
          ...(config.providers as NonNullable<GatewayConfig['providers']>).openai,
          forwardHeaders: ['x-stainless-timeout'],
        } as never,
      },
      forwarding: { timeouts: { headersMs: 1_200 }, onFailure: { uncertain: 'retry' } },
    }));
    upstream.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', chat(), { headers: { 'x-stainless-timeout': '9' } });
    expect(reply.status).toBe(200);
    const told = upstream.requests.map(({ headers }) => Number(headers['x-stainless-timeout']));
    expect(told[0]).toBe(9);
    expect(told[1]).toBeLessThan(9);
    expect(upstream.requests[0]?.rawHeaders.filter((name) => name === 'x-stainless-timeout')).toHaveLength(1);
  });

  it('comes from the libraries themselves', async () => {
    const { gateway, key, upstream } = await startGateway();
    const fetch = (input: unknown, init: unknown) =>
      gateway.fetch(new Request(input as string, init as RequestInit));
    const openai = new OpenAI({ apiKey: key, baseURL: 'http://gateway.test/v1', fetch, timeout: 42_000 });
    await openai.chat.completions.create({ ...chat(), messages: [] }, { timeout: 42_000 });
    expect(upstream.requests[0]?.headers['x-stainless-timeout']).toBe('42');
    const realFetch = globalThis.fetch;
    globalThis.fetch = fetch as typeof globalThis.fetch;
    try {
      const google = new GoogleGenAI({
        apiKey: key,
        httpOptions: { baseUrl: 'http://gateway.test', timeout: 42_000 },
      });
      await google.models.generateContent({ model: 'gemini-flash', contents: 'hi' });
    } finally {
      globalThis.fetch = realFetch;
    }
    expect(upstream.requests[1]?.headers['x-server-timeout']).toBe('42');
  });

  it('is not waited beyond: who is told to come back later than that is told so at once', async () => {
    const { send, upstream } = await startGateway((config) => ({
      ...config,
      retry: { minBackoffMs: 1, maxBackoffMs: 300_000 },
    }));
    upstream.fail({ kind: 'status', status: 429, headers: { 'retry-after': '200' } }, { times: 9 });
    const began = performance.now();
    const reply = await send('/v1/chat/completions', chat(), {
      headers: { 'x-headgate-timeout-ms': '100000' },
    });
    expect(reply.status).toBe(429);
    expect(performance.now() - began).toBeLessThan(50_000);
  });
});
