import { createMemoryLedger, type GatewayConfig, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { createWatchedLedger, priced } from './limited-gateway.ts';

const now = Date.UTC(2030, 0, 1, 12);
type Limits = NonNullable<GatewayConfig['providers'][string]['limits']>;

/** A gateway whose provider has several credentials, each with limits of its own. */
async function start(
  of: {
    readonly provider?: Limits;
    readonly credentials: readonly Limits[];
    readonly answers?: readonly string[];
  },
  inner?: (ledger: Ledger) => Ledger,
) {
  const runtime = createVirtualRuntime({ now });
  const memory = createMemoryLedger(runtime);
  const answers = [...(of.answers ?? [])];
  const watched = createWatchedLedger(inner?.(memory) ?? memory);
  const started = await startGateway(
    (config) => ({
      ...priced(config),
      ...(of.answers && { forwarding: { rescue: ['restart'] } }),
      providers: {
        ...config.providers,
        openai: {
          type: 'openai',
          baseUrl: config.providers.openai?.baseUrl ?? '',
          limits: of.provider ?? [],
          credentials: of.credentials.map((limits, index) => ({
            id: `c${index + 1}`,
            apiKey: `sk-upstream-${index + 1}`,
            limits,
          })),
        },
      },
    }),
    { runtime, ledger: watched.ledger },
    { reply: () => (answers.length > 0 ? { text: answers.shift() as string } : undefined) },
  );
  const ask = async (body = chat({ max_tokens: 20 })) => {
    const reply = await started.send('/v1/chat/completions', body);
    await readText(reply);
    return reply.status;
  };
  const used = () =>
    started.upstream.requests.map(({ headers }) =>
      String(headers.authorization).replace('Bearer sk-upstream-', 'c'),
    );
  return { ...started, ...watched, runtime, ask, used };
}

const requests = (amount: number, window = '1m'): Limits => [{ unit: 'requests', amount, window }];

describe('a credential at its limit', () => {
  it('is passed over for the next, and when all are at theirs the caller is told to wait and not whose limits they are', async () => {
    const { ask, used, send, gateway } = await start({ credentials: [requests(2), requests(1)] });
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 200]);
    expect(used()).toEqual(['c1', 'c1', 'c2']);
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '60']);
    const { message } = (await readJson(refused)).error;
    expect(message).not.toMatch(/openai|c1|c2/);
    await until(() => gateway.records.length === 4);
    expect(gateway.records[2]?.attempts.map(({ target, failure }) => [target, failure])).toEqual([
      ['openai/gpt-4.1#c1', 'limit'],
      ['openai/gpt-4.1#c2', undefined],
    ]);
    expect(used()).toHaveLength(3);
  });

  it('is passed over however many of them are, without using up attempts', async () => {
    const { ask, used } = await start({
      credentials: [...Array.from({ length: 9 }, () => requests(0)), requests(5)],
    });
    expect([await ask(), await ask()]).toEqual([200, 200]);
    expect(used()).toEqual(['c10', 'c10']);
  });

  it('is used again when its window has ended', async () => {
    const { ask, used, runtime } = await start({ credentials: [requests(1), requests(9)] });
    await ask();
    await ask();
    runtime.advance(60_000);
    await ask();
    expect(used()).toEqual(['c1', 'c2', 'c1']);
  });

  it('is found in the window that the ledger is in, whatever was seen of its clock before', async () => {
    const { ask, used } = await start({ credentials: [requests(1), requests(1)] }, (ledger) => ({
      ...ledger,
      nowMs: () => ledger.nowMs() - 86_400_000,
    }));
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
    expect(used()).toEqual(['c1', 'c2']);
  });

  it('cannot be found where the ledger’s clock leaves every window: 503, and nothing is sent', async () => {
    const { ask, used } = await start({ credentials: [requests(1)] }, (ledger) => ({
      ...ledger,
      reserve: () => ({ kind: 'stale', nowMs: now }),
    }));
    expect(await ask()).toBe(503);
    expect(used()).toEqual([]);
  });

  it('of a limit that does not reset soon is 503, which a wait does not mend', async () => {
    const { ask, send } = await start({ credentials: [requests(1, '1d')] });
    await ask();
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, refused.headers['x-should-retry']]).toEqual([503, 'false']);
  });

  it('has slots for what runs at once, which a stream keeps to its end', async () => {
    const { send, used } = await start({
      credentials: [[{ unit: 'parallel', amount: 1 }], [{ unit: 'parallel', amount: 1 }]],
    });
    const first = await send('/v1/chat/completions', chat({ stream: true }));
    const second = await send('/v1/chat/completions', chat({ stream: true }));
    expect((await send('/v1/chat/completions', chat())).status).toBe(429);
    await readText(first);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    await readText(second);
    expect(used()).toEqual(['c1', 'c2', 'c1']);
  });
});

describe('the limits of a provider', () => {
  it('count what all its credentials send together', async () => {
    const { ask } = await start({ provider: requests(3), credentials: [requests(2), requests(2)] });
    expect([await ask(), await ask(), await ask(), await ask()]).toEqual([200, 200, 200, 429]);
  });

  it('settle with the usage of the reply, in tokens and in money, and hold nothing afterwards', async () => {
    const { ask, settled, open, upstream } = await start({
      provider: [
        { unit: 'tokens', amount: 100_000, window: '1d' },
        { unit: 'usd', amount: 5, window: '1d' },
      ],
      credentials: [[]],
    });
    await ask();
    await ask(chat({ stream: true, max_tokens: 20 }));
    await until(() => open.size === 0 && settled.length === 2);
    for (const [index, { billedInputTokens, billedOutputTokens }] of upstream.tally.entries()) {
      expect(Object.values(settled[index] ?? {})).toEqual([
        billedInputTokens + billedOutputTokens,
        billedInputTokens * 2_000 + billedOutputTokens * 8_000,
      ]);
    }
    expect(upstream.tally).toHaveLength(2);
  });

  it('count an attempt that failed as a request, and the one that served with its usage, each once', async () => {
    const { ask, settled, open, upstream } = await start({
      provider: [
        { unit: 'requests', amount: 100, window: '1d' },
        { unit: 'tokens', amount: 100_000, window: '1d' },
      ],
      credentials: [[], []],
    });
    upstream.fail({ kind: 'status', status: 500 });
    expect(await ask()).toBe(200);
    await until(() => open.size === 0 && settled.length === 2);
    const billed = upstream.tally.at(-1);
    expect(settled.map((one) => Object.values(one))).toEqual([
      [1, 0],
      [1, (billed?.billedInputTokens ?? 0) + (billed?.billedOutputTokens ?? 0)],
    ]);
  });

  it.each([
    { how: 'goes on', outcome: 'complete', answers: ['one two three four five', 'one two three four five'] },
    { how: 'says something else', outcome: 'failed', answers: ['one two three four five', 'quite another'] },
  ])('count a stream that broke and one that $how each with what it used itself', async (row) => {
    const tokens: Limits = [{ unit: 'tokens', amount: 100_000, window: '1d' }];
    const { send, settled, open, upstream, gateway } = await start({
      credentials: [tokens, tokens],
      answers: row.answers,
    });
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 });
    await readText(await send('/v1/chat/completions', chat({ stream: true, max_tokens: 20 })));
    await until(() => open.size === 0 && settled.length === 2 && gateway.records.length === 1);
    const [record] = gateway.records;
    expect(record?.outcome).toBe(row.outcome);
    expect(record?.attempts).toHaveLength(2);
    const counted = settled.map((one) => Object.values(one)[0] ?? 0);
    const { inputTokens = 0, outputTokens = 0 } = record?.usage ?? {};
    expect(Math.min(...counted)).toBeGreaterThan(3);
    expect((counted[0] ?? 0) + (counted[1] ?? 0)).toBe(inputTokens + outputTokens);
    const billed = upstream.tally.at(-1);
    if (row.outcome === 'complete')
      expect(counted[1]).toBe((billed?.billedInputTokens ?? 0) + (billed?.billedOutputTokens ?? 0));
  });

  it('are settled when the caller leaves while another credential is asked to go on, and nothing but leaving tells of it', async () => {
    const slot: Limits = [{ unit: 'parallel', amount: 1 }];
    const { send, open, upstream } = await start({
      credentials: [slot, slot],
      answers: ['one two three four', 'one two three four'],
    });
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 2 });
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const chunks = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    const reading = (async () => {
      while (!(await chunks.next()).done);
    })();
    upstream.fail({ kind: 'delay', delayMs: 100 });
    await until(() => upstream.requests.length === 2);
    await chunks.return?.();
    await reading.catch(() => undefined);
    await until(() => open.size === 0);
  });

  it('are settled when the caller leaves, and when nothing answers', async () => {
    const { send, open, upstream, ask } = await start({
      provider: [{ unit: 'parallel', amount: 2 }],
      credentials: [[]],
    });
    const controller = new AbortController();
    const running = await send('/v1/chat/completions', chat({ stream: true }), { signal: controller.signal });
    expect(open.size).toBe(1);
    controller.abort();
    await readText(running).catch(() => undefined);
    await until(() => open.size === 0);
    upstream.fail({ kind: 'status', status: 401 });
    expect(await ask()).toBeGreaterThanOrEqual(500);
    await until(() => open.size === 0);
  });

  it('follow their own policy while the ledger does not answer', async () => {
    const down = (ledger: Ledger): Ledger => ({
      ...ledger,
      reserve: () => Promise.reject(new Error('down')),
    });
    const degraded = await start({ provider: requests(5), credentials: [[]] }, down);
    expect(await degraded.ask()).toBe(200);
    const closed = await start(
      { provider: [{ unit: 'requests', amount: 5, window: '1m', onFailure: 'closed' }], credentials: [[]] },
      down,
    );
    expect([await closed.ask(), closed.used()]).toEqual([503, []]);
  });
});
