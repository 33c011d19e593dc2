import { createMemoryLedger, type GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import { chat, readJson, readText, runtime, startGateway, until } from '../harness.ts';
import { anthropic, gemini, type Limits, limited, message } from './limited-gateway.ts';

const clamping =
  (...limits: Limits) =>
  (config: GatewayConfig): GatewayConfig => ({
    ...limited(...limits)(config),
    profiles: { standard: { limits, clampOutput: true } },
  });

describe('output that is too much for what is left', () => {
  const day = { unit: 'tokens', amount: 1_000, window: '1d' } as const;

  // biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
  it.each<[string, string, object, object, (body: Record<string, any>) => unknown]>([
    ['chat', '/v1/chat/completions', chat({ max_tokens: 5_000 }), {}, (body) => body.max_tokens],
    ['chat without a limit', '/v1/chat/completions', chat(), {}, (body) => body.max_completion_tokens],
    ['responses', '/v1/responses', { model: 'gpt-4.1', input: 'hi' }, {}, (body) => body.max_output_tokens],
    ...(['max_tokens', 'max_completion_tokens'] as const).map(
      (name): [string, string, object, object, (body: Record<string, number>) => unknown] => [
        `chat with ${name} null`,
        '/v1/chat/completions',
        chat({ [name]: null }),
        {},
        (body) => body.max_completion_tokens,
      ],
    ),
    [
      'chat with one limit null and the other too high',
      '/v1/chat/completions',
      chat({ max_completion_tokens: null, max_tokens: 5_000 }),
      {},
      (body) => body.max_tokens,
    ],
    [
      'responses with null',
      '/v1/responses',
      { model: 'gpt-4.1', input: 'hi', max_output_tokens: null },
      {},
      (body) => body.max_output_tokens,
    ],
    ['messages', '/v1/messages', message({ max_tokens: 5_000 }), anthropic, (body) => body.max_tokens],
    [
      'generateContent',
      '/v1beta/models/gemini-flash:generateContent',
      { ...gemini, generationConfig: { maxOutputTokens: 5_000, temperature: 1 } },
      {},
      (body) => body.generationConfig.maxOutputTokens,
    ],
  ])('is limited to it in %s, where the profile says so', async (_, path, body, more, sent) => {
    const { send, upstream } = await startGateway(clamping(day));
    const reply = await send(path, body, more);
    expect(reply.status).toBe(200);
    const forwarded = JSON.parse(upstream.requests[0]?.body.toString() ?? '{}');
    expect(sent(forwarded)).toBeGreaterThan(900);
    expect(sent(forwarded)).toBeLessThan(1_000);
    // OpenAI takes no two
    expect(
      Object.keys(forwarded).filter((name) => /^max_.*tokens$/.test(name) && forwarded[name] !== null),
    ).toHaveLength('generationConfig' in forwarded ? 0 : 1);
    expect(reply.headers['x-headgate-warning']).toBe(
      `output limited to ${sent(forwarded)} tokens by what is left of a limit`,
    );
  });

  it('is refused where a fallback of the request sets a maximum of its own, and that is too much', async () => {
    const { send, upstream } = await startGateway(clamping(day));
    const ask = (max_tokens: unknown, more = {}) =>
      send(
        '/v1/messages',
        message({ fallbacks: [{ model: 'claude-sonnet', max_tokens }], ...more }),
        anthropic,
      );
    expect((await ask(5_000)).status).toBe(400);
    expect((await ask(5_000, { max_tokens: 5_000 })).status).toBe(400);
    expect(upstream.requests).toHaveLength(0);
    expect((await ask(500, { max_tokens: 5_000 })).status).toBe(200);
    const { max_tokens, fallbacks } = JSON.parse(upstream.requests[0]?.body.toString() ?? '{}');
    expect(max_tokens).toBeLessThan(1_000);
    expect(fallbacks).toEqual([{ model: 'claude-sonnet', max_tokens: 500 }]);
    for (const given of [null, undefined, 'many', 1.5, -1, { toString: 1, valueOf: 1 }])
      expect((await ask(given)).status).toBe(200);
    expect((await send('/v1/messages', message({ fallbacks: [null, 7] }), anthropic)).status).toBe(200);
  });

  it('is refused where the profile does not say so', async () => {
    const { send } = await startGateway(limited(day));
    expect((await send('/v1/chat/completions', chat({ max_tokens: 5_000 }))).status).toBe(400);
  });

  it('is limited by what running requests leave, in money too, and never above the limit', async () => {
    const ledger = createMemoryLedger(runtime);
    const { send, upstream } = await startGateway(clamping({ unit: 'usd', amount: '0.01', window: '1d' }), {
      ledger,
    });
    const first = await send('/v1/chat/completions', chat({ stream: true, max_tokens: 1_000 }));
    const second = await send('/v1/chat/completions', chat({ max_tokens: 1_000 }));
    expect([first.status, second.status]).toEqual([200, 200]);
    const { max_tokens } = JSON.parse(upstream.requests[1]?.body.toString() ?? '{}');
    // a cent pays for 1,250 tokens of output
    expect(max_tokens).toBeGreaterThan(200);
    expect(max_tokens).toBeLessThan(250);
    await readText(first);
  });

  it('is limited by what was used before', async () => {
    const { send, upstream, gateway } = await startGateway(clamping(day), {
      ledger: createMemoryLedger(runtime),
    });
    await readText(await send('/v1/chat/completions', chat({ max_tokens: 300 })));
    await until(() => gateway.records.length === 1);
    const { inputTokens = 0, outputTokens = 0 } = gateway.records[0]?.usage ?? {};
    const reply = await send('/v1/chat/completions', chat({ max_tokens: 5_000 }));
    expect(reply.status).toBe(200);
    const { max_tokens } = JSON.parse(upstream.requests[1]?.body.toString() ?? '{}');
    const left = 1_000 - inputTokens - outputTokens;
    expect(max_tokens).toBeLessThan(left);
    expect(max_tokens).toBeGreaterThan(left - 50);
  });

  it('is refused when what is left is less than 16 tokens for each choice, or not more than the thoughts', async () => {
    const { send, upstream } = await startGateway(clamping({ ...day, amount: 300 }));
    const ask = async (path: string, body: object, more = {}) => (await send(path, body, more)).status;
    expect(await ask('/v1/chat/completions', chat({ n: 20, max_tokens: 5_000 }))).toBe(400);
    const thinking = { type: 'enabled', budget_tokens: 1_024 };
    expect(await ask('/v1/messages', message({ max_tokens: 5_000, thinking }), anthropic)).toBe(400);
    expect(upstream.requests).toHaveLength(0);
  });

  it('is not looked at when another limit is full', async () => {
    const { send } = await startGateway(clamping({ unit: 'requests', amount: 1, window: '1d' }, day));
    expect((await send('/v1/chat/completions', chat({ max_tokens: 10 }))).status).toBe(200);
    const refused = await send('/v1/chat/completions', chat({ max_tokens: 5_000 }));
    expect(refused.status).toBe(402);
    expect((await readJson(refused)).error.message).toContain('requests per 1d');
  });

  it('is not looked at for a model without a price when another limit is full', async () => {
    const limits: Limits = [{ unit: 'requests', amount: 1, window: '1d' }, day];
    const { send } = await startGateway((config) => ({
      ...config,
      profiles: { standard: { limits, clampOutput: true } },
    }));
    const ask = async (more: object) => send('/v1/chat/completions', chat({ model: 'gpt-alias', ...more }));
    expect((await ask({ max_tokens: 10 })).status).toBe(200);
    expect((await ask({ max_tokens: 5_000 })).status).toBe(402);
  });

  it('is held and settled as it was limited, whoever asks at the same time', async () => {
    const { send, upstream, gateway } = await startGateway(clamping(day), {
      ledger: createMemoryLedger(runtime),
    });
    await Promise.all(
      Array.from({ length: 30 }, async () =>
        readText(await send('/v1/chat/completions', chat({ max_tokens: 300 }))),
      ),
    );
    await until(() => gateway.records.length === 30);
    const used = upstream.tally.reduce((sum, one) => sum + one.billedInputTokens + one.billedOutputTokens, 0);
    expect(used).toBeLessThanOrEqual(1_000);
    expect(upstream.tally.length).toBeGreaterThan(3);
  });
});
