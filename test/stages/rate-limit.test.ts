import { createMemoryLedger, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, readJson, readText, runtime, startGateway, until } from '../harness.ts';
import { anthropic, createWatchedLedger, gemini, type Limits, limited, message } from './limited-gateway.ts';

describe('a limit that is reached', () => {
  it('of a minute is answered with 429, a wait of 1 to 60 seconds and the advice to try again', async () => {
    const { send, upstream, gateway } = await startGateway(
      limited({ unit: 'requests', amount: 1, window: '1m' }),
      { runtime: createVirtualRuntime({ now: Date.UTC(2030, 0, 1, 12) + 100 }) },
    );
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    const refused = await send('/v1/chat/completions', chat());
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('60');
    expect(refused.headers['x-should-retry']).toBe('true');
    const { error } = await readJson(refused);
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(error.message).toContain('profile standard: 1 requests per 1m for each key');
    expect(upstream.requests).toHaveLength(1);
    await until(() => gateway.records.length === 2);
    expect(gateway.records[1]).toMatchObject({ outcome: 'refused', errorCode: 'rate_limited', attempts: [] });
  });

  it('for longer than a minute is a budget: 402, no wait, and the advice against trying again', async () => {
    const virtual = createVirtualRuntime({ now: Date.UTC(2030, 0, 1, 12) });
    const { send } = await startGateway(limited({ unit: 'requests', amount: 1, window: '1d' }), {
      runtime: virtual,
    });
    await send('/v1/chat/completions', chat());
    const refused = await send('/v1/chat/completions', chat());
    expect(refused.status).toBe(402);
    expect(refused.headers['retry-after']).toBeUndefined();
    expect(refused.headers['x-should-retry']).toBe('false');
    expect((await readJson(refused)).error).toMatchObject({
      code: 'insufficient_quota',
      message: expect.stringContaining('2030-01-02T00:00:00.000Z'),
    });
    virtual.advance(12 * 3_600_000 - 30_000);
    const soon = await send('/v1/chat/completions', chat());
    expect([soon.status, soon.headers['retry-after']]).toEqual([429, '30']);
    virtual.advance(30_000);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });

  it.each([
    ['1m', 429, '5', 13],
    ['10m', 429, '50', 13],
    ['1h', 402, undefined, 13 * 6],
  ] as const)(
    'of a rolling window of %s is answered with %i whenever it is asked, and promises no end',
    async (rolling, status, wait, refusals) => {
      const virtual = createVirtualRuntime({ now: Date.UTC(2030, 0, 1, 12) });
      const { send } = await startGateway(limited({ unit: 'requests', amount: 1, window: { rolling } }), {
        runtime: virtual,
      });
      expect((await send('/v1/chat/completions', chat())).status).toBe(200);
      const step = wait === undefined ? 50_000 : Number(wait) * 1_000;
      for (let index = 0; index < refusals; index++) {
        const refused = await send('/v1/chat/completions', chat());
        expect([refused.status, refused.headers['retry-after']]).toEqual([status, wait]);
        expect((await readJson(refused)).error.message).toMatch(
          /Its oldest use is freed, at the earliest, 2030-\S+Z\.$/,
        );
        virtual.advance(step);
      }
      expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    },
  );

  it('in money is 402 however soon it resets, in every dialect in its own words', async () => {
    const ledger = createMemoryLedger(createVirtualRuntime({ now: Date.UTC(2030, 0, 1, 12) }));
    const { send } = await startGateway(limited({ unit: 'usd', amount: '0.001', window: '1m' }), { ledger });
    // one request that holds nearly all of it, and is still running
    const running = await send('/v1/chat/completions', chat({ stream: true, max_tokens: 110 }));
    const openai = await send('/v1/chat/completions', chat({ max_tokens: 100 }));
    const claude = await send('/v1/messages', message({ max_tokens: 100 }), anthropic);
    const google = await send('/v1beta/models/gemini-flash:generateContent', {
      ...gemini,
      generationConfig: { maxOutputTokens: 100 },
    });
    expect([openai, claude, google].map(({ status }) => status)).toEqual([402, 402, 402]);
    expect((await readJson(openai)).error.code).toBe('insufficient_quota');
    expect(await readJson(claude)).toMatchObject({
      type: 'error',
      error: {
        type: 'billing_error',
        details: { error_code: 'enforced_spend_limit_reached' },
        message: expect.stringMatching(/\$0\.00\d{4} left/),
      },
    });
    expect((await readJson(google)).error).toMatchObject({ code: 402, status: 'RESOURCE_EXHAUSTED' });
    await readText(running);
  });

  it('by the request alone is 400 and says what to lower, and nothing is held', async () => {
    const { ledger, open } = createWatchedLedger();
    const { send, upstream } = await startGateway(limited({ unit: 'tokens', amount: 500, window: '1m' }), {
      ledger,
    });
    const refused = await send('/v1/chat/completions', chat({ max_tokens: 5_000 }));
    expect(refused.status).toBe(400);
    expect((await readJson(refused)).error).toMatchObject({
      code: 'request_too_costly',
      message: expect.stringMatching(/could need 50\d\d tokens.*allows 500 tokens/),
    });
    expect(refused.headers['x-should-retry']).toBe('false');
    expect([open.size, upstream.requests.length]).toEqual([0, 0]);
    expect((await send('/v1/chat/completions', chat({ max_tokens: 50 }))).status).toBe(200);
  });

  it('that allows nothing says so, and not what to lower', async () => {
    const { send } = await startGateway(limited({ unit: 'requests', amount: 0, window: '1d' }));
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, (await readJson(refused)).error.message]).toEqual([
      400,
      'This request could need 1 requests and the limit "profile standard: 0 requests per 1d for each key" allows 0 requests in all.',
    ]);
  });

  it('lets exactly its amount of concurrent requests through to the provider', async () => {
    const { send, upstream } = await startGateway(limited({ unit: 'requests', amount: 50, window: '1d' }));
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const reply = await send('/v1/chat/completions', chat());
        await readText(reply);
        return reply.status;
      }),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect(new Set(statuses.filter((status) => status !== 200)).size).toBe(1);
    expect(upstream.requests).toHaveLength(50);
  });

  it('in tokens is never overshot by requests that produce no more than they may', async () => {
    const { send, upstream } = await startGateway(limited({ unit: 'tokens', amount: 400, window: '1d' }), {
      ledger: createMemoryLedger(runtime),
    });
    await Promise.all(
      Array.from({ length: 60 }, async () =>
        readText(await send('/v1/chat/completions', chat({ max_tokens: 40 }))),
      ),
    );
    const used = upstream.tally.reduce(
      (sum, { billedInputTokens, billedOutputTokens }) => sum + billedInputTokens + billedOutputTokens,
      0,
    );
    expect(upstream.tally.length).toBeGreaterThan(0);
    expect(used).toBeLessThanOrEqual(400);
  });
});

describe('a limit whose window ends between the look at the clock and the ledger’s own', () => {
  it('is asked for again in the window that the ledger is in', async () => {
    const inner = createMemoryLedger(runtime);
    const ledger: Ledger = { ...inner, nowMs: () => inner.nowMs() - 2 * 86_400_000 };
    const { send, upstream } = await startGateway(limited({ unit: 'requests', amount: 1, window: '1d' }), {
      ledger,
    });
    const statuses = [];
    for (let count = 0; count < 2; count++)
      statuses.push((await send('/v1/chat/completions', chat())).status);
    expect(statuses).toEqual([200, 402]);
    expect(upstream.requests).toHaveLength(1);
  });

  it('gives 503 where the ledger’s clock leaves every window, and nothing is sent', async () => {
    let asked = 0;
    const ledger: Ledger = {
      ...createMemoryLedger(runtime),
      reserve: (id) => {
        // the gateway's own place in the ledger
        if (!id.startsWith('node/')) asked++;
        return { kind: 'stale', nowMs: runtime.now() };
      },
    };
    const { send, upstream } = await startGateway(
      limited({ unit: 'requests', amount: 5, window: '1d', onFailure: 'closed' }),
      { ledger },
    );
    const reply = await send('/v1/chat/completions', chat());
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([503, 'store_unavailable']);
    expect([asked, upstream.requests.length]).toEqual([4, 0]);
  });
});

describe('a limit whose store fails', () => {
  const down = new Error('connection refused to redis://user:secret@host');

  it('on reserve gives 503 store_unavailable, never 401, in each dialect, and nothing is sent', async () => {
    const ledger: Ledger = { ...createMemoryLedger(runtime), reserve: () => Promise.reject(down) };
    const { send, upstream, gateway } = await startGateway(
      limited({ unit: 'requests', amount: 5, window: '1d', onFailure: 'closed' }),
      { ledger },
    );
    const openai = await send('/v1/chat/completions', chat());
    expect([openai.status, openai.headers['retry-after']]).toEqual([503, '1']);
    const text = await readText(openai);
    expect(JSON.parse(text).error.code).toBe('store_unavailable');
    expect(text).not.toContain('secret');
    expect((await send('/v1/messages', message(), anthropic)).status).toBe(529);
    expect((await send('/v1beta/models/gemini-flash:generateContent', gemini)).status).toBe(503);
    expect(upstream.requests).toHaveLength(0);
    expect(gateway.records.map(({ outcome, errorCode }) => [outcome, errorCode])).toEqual(
      Array.from({ length: 3 }, () => ['failed', 'store_unavailable']),
    );
  });

  it('by throwing instead of rejecting is answered the same', async () => {
    const ledger: Ledger = {
      ...createMemoryLedger(runtime),
      reserve: () => {
        throw down;
      },
    };
    const { send } = await startGateway(
      limited({ unit: 'requests', amount: 5, window: '1d', onFailure: 'closed' }),
      { ledger },
    );
    expect((await send('/v1/chat/completions', chat())).status).toBe(503);
  });

  it.each<[string, () => Promise<void>]>([
    ['rejects', () => Promise.reject(down)],
    [
      'throws',
      () => {
        throw down;
      },
    ],
  ])('on settle does not fail the request when it %s, nor leave a rejection unhandled', async (_, settle) => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const { send, upstream, gateway } = await startGateway(
        limited({ unit: 'requests', amount: 9, window: '1m' }),
        { ledger: { ...createMemoryLedger(runtime), settle } },
      );
      expect((await send('/v1/chat/completions', chat())).status).toBe(200);
      const streamed = await send('/v1/chat/completions', chat({ stream: true }));
      expect(await readText(streamed)).toContain('[DONE]');
      upstream.fail({ kind: 'status', status: 400, message: 'no such tool' });
      expect((await send('/v1/chat/completions', chat())).status).toBe(400);
      upstream.fail({ kind: 'status', status: 401 });
      expect((await readJson(await send('/v1/chat/completions', chat()))).error.code).toBe(
        'upstream_rejected_credential',
      );
      await until(() => gateway.records.length === 4);
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});

describe('a limit in warn mode', () => {
  const limits: Limits = [{ unit: 'requests', amount: 1, window: '1d', mode: 'warn' }];

  it('lets pass, says so in a header, and notes it in the record', async () => {
    const { send, gateway } = await startGateway(limited(...limits));
    const first = await send('/v1/chat/completions', chat());
    expect(first.headers['x-headgate-warning']).toBeUndefined();
    const second = await send('/v1/chat/completions', chat());
    expect(second.status).toBe(200);
    const label = 'profile standard: 1 requests per 1d for each key';
    expect(second.headers['x-headgate-warning']).toBe(label);
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ warnings }) => warnings)).toEqual([undefined, [label]]);
  });

  it('may stand beside a block limit of the same unit and window, each counting every request once', async () => {
    const { send } = await startGateway(
      limited(
        { unit: 'requests', amount: 4, window: '1d' },
        { unit: 'requests', amount: 2, window: '1d', mode: 'warn' },
      ),
    );
    const seen: [number, boolean][] = [];
    for (let index = 0; index < 6; index++) {
      const reply = await send('/v1/chat/completions', chat());
      seen.push([reply.status, reply.headers['x-headgate-warning'] !== undefined]);
    }
    expect(seen).toEqual([
      [200, false],
      [200, false],
      [200, true],
      [200, true],
      [402, false],
      [402, false],
    ]);
  });
});

describe('the header fields of a reply', () => {
  const limits: Limits = [
    { unit: 'requests', amount: 10, window: '1h' },
    { unit: 'requests', amount: 5, window: '1d' },
    { unit: 'tokens', amount: 1_000, window: '1d' },
    { unit: 'usd', amount: 100, window: '1d' },
    { unit: 'parallel', amount: 7 },
  ];

  it('tell what is left of the tightest limit in the words of OpenAI and Gemini clients', async () => {
    const { send } = await startGateway(limited(...limits));
    for (const [path, body] of [
      ['/v1/chat/completions', chat({ max_tokens: 20 })],
      ['/v1beta/models/gemini-flash:generateContent', gemini],
    ] as const) {
      const { headers } = await send(path, body);
      expect(headers['x-ratelimit-limit-requests']).toBe('5');
      expect(Number(headers['x-ratelimit-remaining-requests'])).toBeLessThan(5);
      expect(headers['x-ratelimit-limit-tokens']).toBe('1000');
      expect(Number(headers['x-ratelimit-remaining-tokens'])).toBeLessThan(980);
      expect(Object.keys(headers).filter((name) => name.startsWith('anthropic-'))).toEqual([]);
    }
  });

  it('tell the same to Anthropic clients in their words, with the reset as a timestamp', async () => {
    const virtual = createVirtualRuntime({ now: Date.UTC(2030, 5, 1, 10, 30) });
    const { send } = await startGateway(limited(...limits), { runtime: virtual });
    const { headers } = await send('/v1/messages', message(), anthropic);
    expect(headers).toMatchObject({
      'anthropic-ratelimit-requests-limit': '5',
      'anthropic-ratelimit-requests-remaining': '4',
      'anthropic-ratelimit-requests-reset': '2030-06-02T00:00:00Z',
      'anthropic-ratelimit-tokens-limit': '1000',
    });
    expect(Object.keys(headers).filter((name) => name.startsWith('x-ratelimit-'))).toEqual([]);
  });

  it("hold no limit of the provider's own shared credential", async () => {
    const { send } = await startGateway(
      undefined,
      {},
      {
        reply: () => ({
          text: 'hi',
          headers: { 'x-ratelimit-remaining-requests': '99', 'anthropic-ratelimit-tokens-remaining': '99' },
        }),
      },
    );
    const { headers } = await send('/v1/chat/completions', chat());
    expect(Object.keys(headers).filter((name) => name.includes('ratelimit'))).toEqual([]);
  });
});
