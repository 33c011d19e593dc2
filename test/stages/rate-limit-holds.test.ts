import {
  type Arrival,
  attribute,
  authorizeModel,
  createMemoryLedger,
  createPipeline,
  type GatewayConfig,
  type Ledger,
  type LimitEvent,
  rateLimit,
  readCall,
  resolveKey,
} from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, readJson, readText, runtime, startGateway, until } from '../harness.ts';
import {
  anthropic,
  createWatchedLedger,
  type Limits,
  limited,
  message,
  onlyValue,
  priced,
} from './limited-gateway.ts';

describe('what a request holds', () => {
  const parallel: Limits = [{ unit: 'parallel', amount: 1 }];

  it('of parallel is freed when the stream ends, and refused to a second request until then', async () => {
    const { send } = await startGateway(limited(...parallel));
    const first = await send('/v1/chat/completions', chat({ stream: true }));
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
    await readText(first);
    await first.outcome;
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });

  it('of parallel is freed when the caller leaves, before the headers or in the middle of the stream', async () => {
    const { ledger, open } = createWatchedLedger();
    const { send, upstream } = await startGateway(limited(...parallel), { ledger }, { chunkDelayMs: 5 });
    const early = new AbortController();
    upstream.fail({ kind: 'stall' });
    const waiting = send('/v1/chat/completions', chat(), { signal: early.signal });
    await until(() => upstream.requests.length === 1);
    early.abort();
    expect((await waiting).status).toBe(499);
    expect(open.size).toBe(0);

    const streaming = await send('/v1/chat/completions', chat({ stream: true }));
    const iterator = (streaming.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    expect(open.size).toBe(1);
    await iterator.return?.();
    await until(() => open.size === 0);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });

  it.each([
    ['fails', { kind: 'status', status: 500 }],
    ['refuses the request', { kind: 'status', status: 400 }],
    ['is not there', { kind: 'connection', at: 'request', how: 'reset' }],
    ['cuts its reply off', { kind: 'truncated-json' }],
    ['breaks the stream', { kind: 'cut', how: 'reset', afterChunks: 1 }],
  ] as const)('is freed when the provider %s', async (_, fault) => {
    const { ledger, open } = createWatchedLedger();
    const { send, upstream } = await startGateway(
      (config) => ({ ...limited(...parallel)(config), retry: { maxAttempts: 1 } }),
      { ledger },
    );
    upstream.fail(fault);
    const reply = await send('/v1/chat/completions', chat({ stream: fault.kind === 'cut' }));
    await readText(reply);
    await until(() => open.size === 0);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });

  it('of parallel lasts as long as its stream, even when that is longer than the lease', async () => {
    const virtual = createVirtualRuntime();
    const { send } = await startGateway(limited(...parallel), { runtime: virtual });
    const stream = await send('/v1/chat/completions', chat({ stream: true }));
    for (let minute = 0; minute < 25; minute++) await virtual.advanceAsync(60_000);
    const { status } = await send('/v1/chat/completions', chat());
    await readText(stream);
    expect(status).toBe(429);
  });

  it('is settled with the usage that the provider reported', async () => {
    const { ledger, settled } = createWatchedLedger();
    const { send } = await startGateway(limited({ unit: 'tokens', amount: 100_000, window: '1d' }), {
      ledger,
    });
    const { usage } = await readJson(await send('/v1/chat/completions', chat()));
    await until(() => settled.length === 1);
    expect(onlyValue(settled[0])).toBe(usage.prompt_tokens + usage.completion_tokens);
  });

  it('in money is settled with the cost of the reported usage, the same as the record has', async () => {
    const { ledger, settled } = createWatchedLedger();
    const { send, gateway } = await startGateway(limited({ unit: 'usd', amount: 10, window: '1d' }), {
      ledger,
    });
    await readText(await send('/v1/messages', message({ stream: true }), anthropic));
    await until(() => settled.length === 1 && gateway.records.length === 1);
    expect(onlyValue(settled[0])).toBe(gateway.records[0]?.costNanoUsd);
    expect(onlyValue(settled[0])).toBeGreaterThan(0);
  });

  it('is settled with an estimate, never with nothing, when the reply hides its usage', async () => {
    const { ledger, settled } = createWatchedLedger();
    const { send, upstream, gateway } = await startGateway(
      limited({ unit: 'tokens', amount: 100_000, window: '1d' }),
      { ledger },
    );
    for (const usage of ['missing', 'null', 'negative', 'string', 'huge', 'fraction'] as const) {
      for (const stream of [false, true]) {
        settled.length = 0;
        upstream.fail({ kind: 'usage', usage });
        const reply = await send('/v1/chat/completions', chat({ stream }));
        expect(reply.status).toBe(200);
        await readText(reply);
        await until(() => settled.length === 1);
        expect(onlyValue(settled[0]), `${usage}, stream ${stream}`).toBeGreaterThan(0);
        expect(Number.isSafeInteger(onlyValue(settled[0]))).toBe(true);
      }
    }
    expect(gateway.records.every(({ usage }) => usage?.source !== 'counted')).toBe(true);
  });

  it('is settled in full when more was used than it held, and whoever listens is told by how much', async () => {
    const { ledger, settled } = createWatchedLedger();
    const events: LimitEvent[] = [];
    const { send, upstream, gateway } = await startGateway(
      limited(
        { unit: 'tokens', amount: 10_000, window: '1d' },
        { unit: 'tokens', amount: 10_000, window: '1h', mode: 'shadow' },
        { unit: 'requests', amount: 10, window: '1d' },
      ),
      { ledger, onLimit: (event) => events.push(event) },
    );
    upstream.fail({ kind: 'usage', usage: 'inflated' });
    const reply = await send('/v1/chat/completions', chat());
    expect(reply.status).toBe(200);
    await readText(reply);
    await until(() => settled.length === 1);
    const used = onlyValue(settled[0]) as number;
    expect(used).toBeGreaterThan(10_000);
    expect(events.filter(({ kind }) => kind === 'overrun')).toEqual([
      expect.objectContaining({ unit: 'tokens', used, held: expect.any(Number), id: gateway.records[0]?.id }),
    ]);
    expect((await send('/v1/chat/completions', chat())).status).toBe(402);
  });

  it('is settled with the request alone when nothing was delivered, and with the input when the caller left early', async () => {
    const { ledger, settled, open } = createWatchedLedger();
    const { send, upstream } = await startGateway(
      (config) => ({
        ...limited(
          { unit: 'tokens', amount: 100_000, window: '1d' },
          { unit: 'requests', amount: 100, window: '1d' },
        )(config),
        retry: { maxAttempts: 1 },
      }),
      { ledger },
    );
    upstream.fail({ kind: 'status', status: 500 });
    await send('/v1/chat/completions', chat());
    expect(Object.values(settled[0] ?? {})).toEqual([0, 1]);
    const controller = new AbortController();
    upstream.fail({ kind: 'stall' });
    const waiting = send('/v1/chat/completions', chat(), { signal: controller.signal });
    await until(() => upstream.requests.length === 2);
    controller.abort();
    await waiting;
    const [tokens, requests] = Object.values(settled[1] ?? {});
    expect(tokens).toBeGreaterThan(10);
    expect(requests).toBe(1);
    expect(open.size).toBe(0);
  });

  it('is settled with the input when the provider got the request and did not answer in time', async () => {
    const { ledger, settled, open } = createWatchedLedger();
    const { send, upstream, gateway } = await startGateway(
      (config) => ({
        ...limited({ unit: 'tokens', amount: 100_000, window: '1h' })(config),
        forwarding: { timeouts: { headersMs: 50 } },
        retry: { maxAttempts: 1 },
      }),
      { ledger },
    );
    upstream.fail({ kind: 'stall' });
    expect((await send('/v1/chat/completions', chat({ max_tokens: 50 }))).status).toBe(504);
    await until(() => open.size === 0);
    const [used = 0] = Object.values(settled[0] ?? {});
    expect(used).toBeGreaterThan(0);
    expect(used).toBeLessThan(50);
    expect(gateway.records[0]?.usage).toMatchObject({ inputTokens: used, source: 'estimated' });
  });

  /** With what each request held of a limit in tokens. */
  async function startMeasured() {
    const holds: number[] = [];
    const memory = createMemoryLedger(runtime);
    const ledger: Ledger = {
      ...memory,
      reserve(id, scopes, leaseMs) {
        holds.push(...scopes.map(({ hold }) => hold));
        return memory.reserve(id, scopes, leaseMs);
      },
    };
    const limits = limited({ unit: 'tokens', amount: 1_000_000, window: '1d' });
    return { holds, ...(await startGateway(limits, { ledger, limits: { nodes: 1 } })) };
  }

  it('counts all choices, and nothing for the output of embeddings', async () => {
    const { holds, send } = await startMeasured();
    await send('/v1/chat/completions', chat({ max_tokens: 100, n: 3 }));
    await send('/v1/embeddings', { model: 'text-embedding-3-small', input: 'hello' });
    await send('/v1/chat/completions', chat());
    expect(holds[0]).toBeGreaterThan(300);
    expect(holds[0]).toBeLessThan(340);
    expect(holds[1]).toBeLessThan(30);
    expect(holds[2]).toBeGreaterThan(4_096);
  });

  it.each([
    ['one prompt', 'hello', 1],
    ['the tokens of one', [1, 2, 3], 1],
    ['a list of one', ['hello'], 1],
    ['three', ['a', ' b', '"c'], 3],
    ['two of tokens', [[1, 2], [3]], 2],
  ])('counts each of the prompts of a completion: %s', async (_, prompt, count) => {
    const { holds, send } = await startMeasured();
    await send('/v1/completions', { model: 'gpt-4.1', prompt, max_tokens: 1_000, n: 2 });
    await send('/v1/completions', { model: 'gpt-4.1', prompt, n: 2 });
    expect(holds.map((hold) => Math.floor(hold / 1_000))).toEqual([2 * count, Math.floor(8.192 * count)]);
  });

  it.each([
    ['/v1/messages/count_tokens', { model: 'claude-sonnet' }, anthropic],
    ['/v1/responses/input_tokens', { model: 'gpt-4.1', input: 'hello' }, {}],
    ['/v1beta/models/gemini-flash:countTokens', { contents: [{ parts: [{ text: 'hello' }] }] }, {}],
  ])('has nothing for the tokens that are counted and not run: %s', async (path, more, options) => {
    const { holds, send, gateway } = await startMeasured();
    const body = path.includes('messages') ? { ...message(), max_tokens: undefined, ...more } : more;
    expect((await send(path, body, options)).status).toBe(200);
    await until(() => gateway.records.length === 1);
    expect(holds).toEqual([0]);
    expect(gateway.records[0]).toMatchObject({ usage: { inputTokens: 0, outputTokens: 0 }, costNanoUsd: 0 });
  });

  it('is settled with all that a response in the background may produce, when the caller leaves its stream', async () => {
    const { ledger, settled } = createWatchedLedger();
    const { send, gateway, upstream } = await startGateway(
      limited({ unit: 'tokens', amount: 100_000, window: '1d' }),
      { ledger },
      { reply: () => ({ text: 'word '.repeat(100) }), chunkDelayMs: 5 },
    );
    const whole = {
      model: 'gpt-4.1',
      input: 'write',
      background: true,
      stream: true,
      max_output_tokens: 30_000,
    };
    for (const background of [true, false]) {
      const reply = await send('/v1/responses', { ...whole, background });
      for await (const _ of reply.body as AsyncIterable<Uint8Array>) break;
    }
    await until(() => gateway.records.length === 2);
    const [behind = 0, before = 0] = settled.map((used) => onlyValue(used));
    expect(behind).toBeGreaterThan(30_000);
    expect(before).toBeLessThan(100);
    expect(gateway.records[0]?.usage).toMatchObject({ outputTokens: 30_000, source: 'estimated' });
    // with what was seen where the provider ended it itself, and with what it told at its end
    settled.length = 0;
    upstream.fail({ kind: 'stream-error', afterChunks: 1, form: 'failed' });
    await readText(await send('/v1/responses', whole));
    await until(() => settled.length === 1);
    expect(onlyValue(settled[0])).toBeLessThan(100);
    settled.length = 0;
    await readText(await send('/v1/responses', whole));
    await until(() => settled.length === 1);
    expect(onlyValue(settled[0])).toBeLessThan(1_000);
  });

  const withOpus = (config: GatewayConfig): GatewayConfig => ({
    ...config,
    models: { ...config.models, 'claude-opus': { targets: ['anthropic'] } },
  });
  const batch = (...models: string[]) => ({
    requests: models.map((model, index) => ({ custom_id: `${index}`, params: { ...message(), model } })),
  });
  const mixed = batch('claude-sonnet', 'claude-opus');

  it.each([
    ['in money', { unit: 'usd', amount: 10, window: '1d' }],
    [
      'of one of its models',
      { unit: 'tokens', amount: 100_000, window: '1d', models: ['claude-opus'] as string[] },
    ],
    ['for each model', { unit: 'requests', amount: 10, window: '1d', per: 'model' }],
  ] as const)('of a limit %s cannot be told for a batch of several models', async (_, limit) => {
    const { send, upstream } = await startGateway((config) => limited(limit)(withOpus(config)));
    const refused = await send('/v1/messages/batches', mixed, anthropic);
    expect(refused.status).toBe(400);
    expect((await readJson(refused)).error.message).toContain('Send a batch for each model.');
    expect(upstream.requests).toHaveLength(0);
    for (const model of ['claude-sonnet', 'claude-opus']) {
      expect((await send('/v1/messages/batches', batch(model, model), anthropic)).status).toBe(200);
    }
  });

  it.each([
    ['that only counts', { unit: 'usd', amount: 10, window: '1d', mode: 'shadow' }],
    ['of another model', { unit: 'usd', amount: 10, window: '1d', models: ['gpt-4.1'] as string[] }],
    ['of all tokens', { unit: 'tokens', amount: 100_000, window: '1d' }],
  ] as const)('of a limit %s is no reason to refuse a batch of several models', async (_, limit) => {
    const { send } = await startGateway((config) => limited(limit)(withOpus(config)));
    expect((await send('/v1/messages/batches', mixed, anthropic)).status).toBe(200);
  });

  it('of a limit of the provider in money cannot be told for a batch of several models either', async () => {
    const { send, upstream } = await startGateway((config) => {
      const limits: Limits = [{ unit: 'usd', amount: 10, window: '1d' }];
      const anthropic = { ...config.providers.anthropic, limits } as (typeof config.providers)[string];
      return priced(withOpus({ ...config, providers: { ...config.providers, anthropic } }));
    });
    expect((await send('/v1/messages/batches', mixed, anthropic)).status).toBe(400);
    expect(upstream.requests).toHaveLength(0);
  });

  it('is given back when a stage of the host gives no reply', async () => {
    const { ledger, open } = createWatchedLedger();
    const { send } = await startGateway(limited({ unit: 'parallel', amount: 1 }), {
      ledger,
      pipeline: ({ keyResolver, limits, sink }) =>
        createPipeline<Arrival>()
          .use(attribute({ sink }))
          .use(resolveKey({ resolver: keyResolver }))
          .use(readCall())
          .use(authorizeModel())
          .use(rateLimit(limits))
          .end({ name: 'forgets', run: async () => undefined as never }),
    });
    for (let times = 0; times < 2; times++) {
      expect((await send('/v1/chat/completions', chat())).status).toBe(500);
      await until(() => open.size === 0);
    }
  });

  it('is no less than the larger of two output bounds, whichever of them the provider obeys', async () => {
    const { send } = await startGateway(limited({ unit: 'tokens', amount: 1_000, window: '1d' }));
    const reply = await send('/v1/chat/completions', chat({ max_completion_tokens: 1, max_tokens: 50_000 }));
    expect(reply.status).toBe(400);
  });
});
