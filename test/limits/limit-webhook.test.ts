import { createLimitWebhook, type LimitEvent } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, startGateway, until } from '../harness.ts';
import { limited } from '../stages/limited-gateway.ts';

const now = Date.UTC(2030, 0, 1);

/** A receiver that answers with the statuses given, then with 200. */
function start(statuses: (number | 'hang' | 'cut')[] = [], more: object = {}) {
  const runtime = createVirtualRuntime({ now });
  const received: { url: string; body: Record<string, unknown>; headers: unknown }[] = [];
  const errors: Error[] = [];
  const fetch = (async (url: URL, { body, headers, signal }: RequestInit) => {
    received.push({ url: String(url), body: JSON.parse(String(body)), headers });
    const answer = statuses.shift() ?? 200;
    if (answer === 'cut') throw new Error('cut');
    if (answer === 'hang') {
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    }
    return new Response(null, { status: answer as number });
  }) as typeof globalThis.fetch;
  const onLimit = createLimitWebhook({
    url: 'https://alerts.internal/llm',
    runtime,
    fetch,
    onError: (error) => errors.push(error as Error),
    ...more,
  });
  return { runtime, received, errors, onLimit };
}

const threshold = (percent: number): LimitEvent => ({
  kind: 'threshold',
  label: 'team a: 10 requests',
  key: 'team a/team=a',
  unit: 'requests',
  mode: 'warn',
  percent,
  used: percent / 10,
  amount: 10,
  resetsAtMs: now + 1_000,
});

describe('a webhook for limits', () => {
  it('posts each threshold of a gateway once, in order, with an id and a time', async () => {
    const { onLimit, received, runtime } = start([], { headers: { authorization: 'Bearer secret' } });
    const limit = { unit: 'requests', amount: 4, window: '1d', mode: 'warn', thresholds: [50, 100] } as const;
    const { send } = await startGateway(limited({ ...limit, thresholds: [50, 100] }), { runtime, onLimit });
    for (let count = 0; count < 6; count++) await send('/v1/chat/completions', chat());
    await until(() => received.length === 2);
    expect(received.map(({ url, body }) => [url, body.percent, body.used, body.at])).toEqual([
      ['https://alerts.internal/llm', 50, expect.any(Number), '2030-01-01T00:00:00.000Z'],
      ['https://alerts.internal/llm', 100, expect.any(Number), '2030-01-01T00:00:00.000Z'],
    ]);
    expect(received[0]?.headers).toMatchObject({ authorization: 'Bearer secret' });
    expect(new Set(received.map(({ body }) => body.id)).size).toBe(2);
  });

  it('tells an event again, with the same id, until it is taken, and gives it up after its attempts', async () => {
    const { onLimit, received, runtime, errors } = start([500, 'cut', 302, 200, 500, 500, 500, 500]);
    onLimit(threshold(50));
    onLimit(threshold(80));
    for (let pause = 1_000; pause <= 4_000; pause *= 2) await wait(runtime, pause);
    await until(() => received.length === 5);
    expect(received.slice(0, 4).map(({ body }) => body.percent)).toEqual([50, 50, 50, 50]);
    expect(new Set(received.slice(0, 4).map(({ body }) => body.id)).size).toBe(1);
    for (let pause = 1_000; pause <= 4_000; pause *= 2) await wait(runtime, pause);
    await onLimit.flush();
    expect(received).toHaveLength(8);
    expect(errors.map(({ message, cause }) => [message, (cause as Error).message])).toEqual([
      ['An event of limits could not be told to https://alerts.internal.', 'status 500'],
    ]);
  });

  it('waits for no receiver longer than its time, and keeps no more events than its bound', async () => {
    const { onLimit, received, runtime, errors } = start(['hang'], { timeoutMs: 100, maxPending: 2 });
    onLimit(threshold(1));
    await until(() => received.length === 1);
    for (const percent of [2, 3, 4]) onLimit(threshold(percent));
    expect(errors.map(({ message }) => message)).toEqual([
      'Events of limits are told too slowly: the oldest was dropped.',
    ]);
    await wait(runtime, 100);
    await wait(runtime, 1_000);
    await onLimit.flush();
    expect(received.map(({ body }) => body.percent)).toEqual([1, 1, 3, 4]);
  });

  it('tells of the ledger, but not what its store said, and of no single request', async () => {
    const { onLimit, received } = start();
    onLimit({ kind: 'ledger', state: 'degraded', cause: new Error('redis://user:secret@host'), lastedMs: 5 });
    onLimit({ kind: 'lease-lost', id: 'a' });
    onLimit({ kind: 'ledger-failed', id: 'a', cause: 'x' });
    await onLimit.flush();
    expect(received.map(({ body }) => body)).toEqual([
      { id: expect.any(String), at: expect.any(String), kind: 'ledger', state: 'degraded', lastedMs: 5 },
    ]);
  });

  it('is not made for an address or bounds that are not usable', () => {
    const runtime = createVirtualRuntime();
    expect(() => createLimitWebhook({ url: 'file:///etc', runtime })).toThrow('"url"');
    expect(() => createLimitWebhook({ url: 'nowhere', runtime })).toThrow('"url"');
    expect(() => createLimitWebhook({ url: 'https://user:word@a', runtime })).toThrow('without credentials');
    expect(() => createLimitWebhook({ url: 'https://a', runtime, maxAttempts: 0 })).toThrow('"maxAttempts"');
  });

  it('goes on when whoever is told of an event that was given up throws', async () => {
    const onError = () => {
      throw new Error('the logger is broken, too');
    };
    const { onLimit, received } = start([500, 200], { onError, maxAttempts: 1 });
    for (const percent of [50, 80]) onLimit(threshold(percent));
    await onLimit.flush();
    expect(received.map(({ body }) => body.percent)).toEqual([50, 80]);
  });
});

/** Lets the clock go on once something waits for it. */
async function wait(runtime: ReturnType<typeof createVirtualRuntime>, ms: number): Promise<void> {
  await until(() => runtime.pending > 0);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  runtime.advance(ms);
}
