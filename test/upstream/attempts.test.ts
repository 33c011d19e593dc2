import type { Collected, Egress, EgressReply, GatewayConfig } from 'headgate';
import { createFakeUpstream, createVirtualRuntime, type Fault } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { createScriptedEgress } from './scripted-egress.ts';

const status = (code: number, more: object = {}): Fault =>
  ({ kind: 'status', status: code, ...more }) as Fault;

/** Two upstreams behind one model, the first with two credentials. */
async function startThree(more: Partial<GatewayConfig> = {}, upstreamOptions = {}) {
  const backup = await createFakeUpstream(upstreamOptions);
  onTestFinished(() => backup.close());
  const started = await startGateway(
    (config, url) => ({
      ...config,
      providers: {
        ...config.providers,
        openai: {
          type: 'openai',
          baseUrl: `${url}/v1`,
          credentials: [
            { id: 'one', apiKey: 'sk-one' },
            { id: 'two', apiKey: 'sk-two' },
          ],
        },
        backup: { type: 'openai', apiKey: 'sk-backup', baseUrl: `${backup.url}/v1` },
      },
      models: {
        'gpt-4.1': {
          targets: ['openai', { provider: 'backup', model: 'large', contextWindow: 1_000_000 }],
          contextWindow: 128_000,
        },
      },
      ...more,
    }),
    {},
    upstreamOptions,
  );
  const targets = () => started.gateway.records.at(-1)?.attempts.map(({ target }) => target);
  return { ...started, backup, targets };
}

const one = 'openai/gpt-4.1#one';
const two = 'openai/gpt-4.1#two';
const large = 'backup/large#default';

describe('what follows a failed attempt', () => {
  const cases: readonly { name: string; fault: Fault; targets: readonly string[]; status?: number }[] = [
    { name: 'a refused credential: the next one of the target', fault: status(401), targets: [one, two] },
    {
      name: 'an empty account: the next credential of the target',
      fault: status(429, { reason: 'insufficient_quota' }),
      targets: [one, two],
    },
    { name: 'payment required: the next credential', fault: status(402), targets: [one, two] },
    { name: 'a busy target: the next candidate', fault: status(429), targets: [one, two] },
    { name: 'a bad request: nothing', fault: status(400), targets: [one], status: 400 },
    {
      name: 'a request longer than the window: the target with a larger one',
      fault: status(400, { message: "This model's maximum context length is 128000 tokens." }),
      targets: [one, large],
    },
    {
      name: 'a refused content: nothing',
      fault: status(400, { message: 'Output blocked by content filtering policy' }),
      targets: [one],
      status: 400,
    },
    {
      name: 'a connection that broke: nothing',
      fault: { kind: 'connection', at: 'request' },
      targets: [one],
      status: 502,
    },
    { name: 'a web page: the next candidate', fault: status(200, { body: 'html' }), targets: [one, two] },
  ];
  it.each(cases)('is as documented for $name', async ({ fault, targets, status: expected = 200 }) => {
    const started = await startThree();
    started.upstream.fail(fault);
    expect((await started.send('/v1/chat/completions', chat())).status).toBe(expected);
    await until(() => started.gateway.records.length === 1);
    expect(started.targets()).toEqual(targets);
  });

  it('is what the configuration says in its place', async () => {
    const onFailure = { 'bad-request': 'next-target', uncertain: 'next-target', credential: 'stop' } as const;
    const run = async (fault: Fault) => {
      const started = await startThree({ forwarding: { onFailure } });
      started.upstream.fail(fault);
      const reply = await started.send('/v1/chat/completions', chat());
      await until(() => started.gateway.records.length > 0);
      return [reply.status, started.targets()];
    };
    expect(await run(status(400))).toEqual([200, [one, large]]);
    expect(await run({ kind: 'connection', at: 'request' })).toEqual([200, [one, large]]);
    expect(await run(status(401))).toEqual([502, [one]]);
  });

  it("is the provider's own word when a bad request was asked to go elsewhere and nobody serves it", async () => {
    const started = await startThree({ forwarding: { onFailure: { 'bad-request': 'next-target' } } });
    started.upstream.fail(status(400, { message: 'first' }));
    started.backup.fail(status(400, { message: 'second' }));
    const reply = await started.send('/v1/chat/completions', chat());
    const body = await readJson(reply);
    expect([reply.status, body.error.message]).toEqual([400, 'second']);
    expect(started.targets()).toEqual([one, large]);
  });

  it('leaves a refused credential for last, for the next requests too', async () => {
    const started = await startThree();
    started.upstream.fail(status(401));
    await started.send('/v1/chat/completions', chat());
    await started.send('/v1/chat/completions', chat());
    expect(started.targets()).toEqual([two]);
  });

  it('shares a wait that a target asked for with all requests', async () => {
    const started = await startThree();
    started.upstream.fail(status(429, { retryAfter: 30 }));
    await started.send('/v1/chat/completions', chat());
    await started.send('/v1/chat/completions', chat());
    expect(started.targets()).toEqual([two]);
  });

  it('asks the same target again after a 429, at most twice, and its server error once', async () => {
    for (const [code, requests] of [
      [429, 3],
      [503, 3],
      [500, 2],
      [418, 1],
    ] as const) {
      const { upstream, send } = await startGateway();
      upstream.fail(status(code), { times: 10 });
      expect((await send('/v1/chat/completions', chat())).status).toBeGreaterThanOrEqual(429);
      expect([code, upstream.requests.length]).toEqual([code, requests]);
    }
  });
});

describe('half of all replies failing', () => {
  it('makes no more attempts than 1.2 for each request and the floor', async () => {
    let count = 0;
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      retry: { ...config.retry, maxAttempts: 10 },
    }));
    upstream.fail(status(500), { times: 1_000, when: () => count++ % 2 === 0 });
    const requests = 200;
    for (let turn = 0; turn < requests; turn++) await send('/v1/chat/completions', chat());
    expect(upstream.requests.length).toBeLessThanOrEqual(1.2 * requests + 3);
    expect(upstream.requests.length).toBeGreaterThan(requests);
  });
});

describe('a target that is down', () => {
  it('gets only probes once its breaker is open, and its traffic back when it has recovered', async () => {
    const started = await startThree({
      breaker: { volumeThreshold: 5, resetTimeoutMs: 200 },
      models: { 'gpt-4.1': { targets: ['backup/large', 'openai'] } },
    });
    started.backup.fail(status(500), { times: 1_000 });
    for (let turn = 0; turn < 5; turn++) await started.send('/v1/chat/completions', chat());
    const before = started.backup.requests.length;
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => started.send('/v1/chat/completions', chat())),
    );
    expect(replies.every(({ status: code }) => code === 200)).toBe(true);
    // at most the probe of one interval
    expect(started.backup.requests.length - before).toBeLessThanOrEqual(1);
    started.backup.reset();
    await expect
      .poll(async () => {
        await started.send('/v1/chat/completions', chat());
        return started.targets();
      })
      .toEqual([large]);
  });

  it('is answered for with 503 at once and a wait when it is the only one', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      breaker: { volumeThreshold: 5, resetTimeoutMs: 20_000 },
    }));
    upstream.fail(status(500), { times: 1_000 });
    for (let turn = 0; turn < 5; turn++) await send('/v1/chat/completions', chat());
    const before = upstream.requests.length;
    const reply = await send('/v1/chat/completions', chat());
    expect([reply.status, upstream.requests.length]).toEqual([503, before]);
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('a stream that shows no content', () => {
  const cases: readonly { name: string; fault: Fault; reason: string | RegExp }[] = [
    {
      name: 'an error as its first event',
      fault: { kind: 'stream-error', afterChunks: 0 },
      reason: /^stream (overloaded|upstream_error)$/,
    },
    {
      name: 'an error behind its opening',
      fault: { kind: 'stream-error', afterChunks: 0, afterOpening: true },
      reason: /^stream (overloaded|upstream_error)$/,
    },
    {
      name: 'nothing at all',
      fault: { kind: 'cut', how: 'clean-end', afterChunks: 0 },
      reason: 'incomplete stream',
    },
    { name: 'a reset', fault: { kind: 'cut', how: 'reset', afterChunks: 0 }, reason: 'connection broke' },
    {
      name: 'nonsense',
      fault: { kind: 'malformed-chunk', afterChunks: 0 },
      reason: 'stream upstream_invalid_response',
    },
    {
      name: 'silence',
      fault: { kind: 'cut', how: 'stall', afterChunks: 0 } as Fault,
      reason: 'no first token',
    },
  ];
  const bodies: readonly [string, object, object][] = [
    ['/v1/chat/completions', chat({ stream: true }), {}],
    ['/v1/responses', { model: 'gpt-4.1', input: 'hi', stream: true }, {}],
  ];
  it.each(cases)('but $name is answered by the next target unseen', async ({ fault, reason }) => {
    for (const [path, body, more] of bodies) {
      const firstTokenMs = reason === 'no first token' ? 150 : 60_000;
      const started = await startThree({ forwarding: { timeouts: { firstTokenMs } } });
      started.upstream.fail(fault, { times: 2 });
      const reply = await started.send(path, body, more);
      expect([path, reply.status]).toEqual([path, 200]);
      const text = await readText(reply);
      expect((await reply.outcome).kind).toBe('complete');
      expect(text).toContain('large');
      expect(started.gateway.records[0]?.attempts[0]).toMatchObject({
        failure: expect.stringMatching(reason),
      });
    }
  });

  it('and nobody else to go to is a typed error with a status', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      forwarding: { timeouts: { firstTokenMs: 100 } },
    }));
    upstream.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([504, 'upstream_timeout']);
    await until(() => upstream.requests[0]?.aborted === true);
  });

  it('goes out with its first content, at once', async () => {
    const { send } = await startGateway(undefined, {}, { chunkDelayMs: 50 });
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    const first = Buffer.from((await iterator.next()).value).toString();
    const contents = first.match(/"content":"[^"]+"/g) ?? [];
    expect(contents).toHaveLength(1);
    await iterator.return?.();
  });
});

describe('the time of a request', () => {
  it('is bounded by its caller, and the attempt upstream ends with it', async () => {
    const { upstream, send, gateway } = await startGateway();
    upstream.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', chat(), { headers: { 'x-headgate-timeout-ms': '100' } });
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([504, 'upstream_timeout']);
    await until(() => upstream.requests[0]?.aborted === true);
    expect(gateway.records[0]).toMatchObject({ outcome: 'failed', errorCode: 'upstream_timeout' });
  });

  it('ends a stream that has begun with an error in its dialect', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      forwarding: { timeouts: { totalMs: 200 } },
    }));
    upstream.fail({ kind: 'cut', how: 'stall', afterChunks: 3 } as Fault);
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    expect(reply.status).toBe(200);
    const text = await readText(reply);
    expect(text).toMatch(/data: \{"error":\{.*"upstream_timeout"\}\}\n\n$/);
    expect(await reply.outcome).toMatchObject({ kind: 'failed', errorCode: 'upstream_timeout' });
  });

  it.each(['0', '-5', 'abc', '1e9', ''])('is not bounded by nonsense: %j', async (value) => {
    const { send } = await startGateway();
    const headers = { 'x-headgate-timeout-ms': value };
    expect((await send('/v1/chat/completions', chat(), { headers })).status).toBe(200);
  });
});

describe('a target that is slow', () => {
  it('is left out while another one is so much faster, and serves all the same when it is the last', async () => {
    const started = await startThree({
      breaker: { slowFactor: 3, volumeThreshold: 3, resetTimeoutMs: 60_000 },
      models: { 'gpt-4.1': { targets: ['backup/large', 'openai'] } },
    });
    // the other one is known to be fast
    started.backup.fail(status(500));
    await started.send('/v1/chat/completions', chat());
    expect(started.targets()).toEqual([large, one]);
    started.backup.fail({ kind: 'split', everyBytes: 10_000, delayMs: 400 }, { times: 20 });
    for (let turn = 0; turn < 3; turn++) await started.send('/v1/chat/completions', chat());
    expect(started.targets()).toEqual([large]);
    await started.send('/v1/chat/completions', chat());
    expect(started.targets()).toEqual([one]);
    await started.upstream.close();
    expect((await started.send('/v1/chat/completions', chat())).status).toBe(200);
    expect(started.targets()?.at(-1)).toBe(large);
  });

  it('is left out once, however many requests were on their way to it', async () => {
    const runtime = createVirtualRuntime();
    const body = JSON.stringify({ choices: [{ message: { content: 'hi' } }] });
    const answering = createScriptedEgress(() => ({ chunks: [body], type: 'application/json' }));
    let asked = 0;
    const egress: typeof answering = {
      ...answering,
      async send(request) {
        asked++;
        const waitMs = request.origin.includes('slow') ? 400 : 20;
        await new Promise<void>((resolve) => runtime.schedule(waitMs, resolve));
        return answering.send(request);
      },
    };
    const { gateway, send } = await startGateway(
      (config) => ({
        ...config,
        providers: {
          slow: { type: 'openai', apiKey: 'sk-slow', baseUrl: 'https://slow.test/v1' },
          fast: { type: 'openai', apiKey: 'sk-fast', baseUrl: 'https://fast.test/v1' },
        },
        models: { 'gpt-4.1': { targets: ['slow', 'fast'] }, known: { targets: ['fast/gpt-4.1'] } },
        breaker: { slowFactor: 3, volumeThreshold: 5, resetTimeoutMs: 30_000 },
      }),
      { runtime, egress },
    );
    const ask = async (model: string, times: number) => {
      const before = asked;
      const replies = Array.from({ length: times }, () => send('/v1/chat/completions', chat({ model })));
      await until(() => asked === before + times);
      await runtime.advanceAsync(400);
      for (const reply of await Promise.all(replies)) expect(reply.status).toBe(200);
    };
    await ask('known', 1);
    await ask('gpt-4.1', 20);
    const slow = gateway.health().targets.find(({ target }) => target.startsWith('slow'));
    expect(slow?.breaker).toBe('open');
    expect(slow?.probeInMs).toBeLessThanOrEqual(30_000);
  });
});

describe('a target that limits', () => {
  it('gets no more requests at once than its provider is configured for; others wait, and go when one is done', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      providers: { openai: { ...config.providers.openai!, maxInFlight: 2, maxQueued: 4 } },
      models: { 'gpt-4.1': { targets: ['openai'] } },
      retry: { maxBackoffMs: 10_000 },
    }));
    upstream.fail({ kind: 'split', everyBytes: 10_000, delayMs: 50 }, { times: 100 });
    const replies = Array.from({ length: 8 }, () => send('/v1/chat/completions', chat()));
    await upstream.waitFor(() => true, 60_000);
    expect(upstream.requests.length).toBeLessThanOrEqual(2);
    const statuses = (await Promise.all(replies)).map((reply) => reply.status);
    expect(statuses.filter((code) => code === 200)).toHaveLength(6);
    expect(statuses.filter((code) => code === 429)).toHaveLength(2);
  });
});

describe('a request that waits for a connection', () => {
  it('ends at once when its caller leaves, and is never sent', async () => {
    const { gateway, upstream, send } = await startGateway((config) => ({
      ...config,
      providers: { openai: { ...config.providers.openai!, maxConnections: 1 } },
      models: { 'gpt-4.1': { targets: ['openai'] } },
    }));
    upstream.fail({ kind: 'stall' });
    const before = new AbortController();
    const running = send('/v1/chat/completions', chat(), { signal: before.signal });
    await upstream.waitFor(() => true, 60_000);
    const caller = new AbortController();
    const waiting = send('/v1/chat/completions', chat(), { signal: caller.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    caller.abort(new Error('left'));
    expect((await waiting).status).toBe(499);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'aborted', attempts: [{ failure: 'cancelled' }] });
    before.abort(new Error('left'));
    expect((await running).status).toBe(499);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('a target that says it gets too many requests', () => {
  it('is taken to have room for fewer at once from then on, and is not ill', async () => {
    const { gateway, upstream, send } = await startGateway((config) => ({
      ...config,
      models: { 'gpt-4.1': { targets: ['openai'] } },
      retry: { maxAttempts: 1 },
    }));
    upstream.fail({ kind: 'split', everyBytes: 10_000, delayMs: 200 }, { times: 3 });
    const running = Array.from({ length: 3 }, () => send('/v1/chat/completions', chat()));
    await until(() => upstream.requests.length === 3);
    expect(gateway.health().targets[0]?.maxInFlight).toBeUndefined();
    upstream.fail({ kind: 'status', status: 429 });
    expect((await send('/v1/chat/completions', chat())).status).toBe(429);
    expect(gateway.health().targets[0]).toMatchObject({ maxInFlight: 2, breaker: 'closed' });
    await Promise.all(running);
  });
});

describe('a place that becomes free', () => {
  it('is for the next one where whoever was first is refused by a limit of the provider', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      providers: {
        openai: {
          ...config.providers.openai!,
          ...{ maxInFlight: 1, maxQueued: 4, limits: [{ unit: 'tokens', amount: 1_000, window: '1d' }] },
        },
      },
      models: { 'gpt-4.1': { targets: ['openai'] } },
      retry: { maxBackoffMs: 2_000 },
    }));
    upstream.fail({ kind: 'split', everyBytes: 10_000, delayMs: 100 });
    const first = send('/v1/chat/completions', chat({ max_tokens: 20 }));
    await upstream.waitFor(() => true, 60_000);
    const large = send('/v1/chat/completions', chat({ max_tokens: 5_000 }));
    const small = send('/v1/chat/completions', chat({ max_tokens: 20 }));
    const statuses = (await Promise.all([first, large, small])).map((reply) => reply.status);
    expect([statuses[0], statuses[2], upstream.requests.length]).toEqual([200, 200, 2]);
    expect(statuses[1]).toBeGreaterThanOrEqual(400);
  });
});

describe('the body of a reply that is not relayed', () => {
  /** The first request gets this, the others an answer. */
  async function start(reply: (end: () => void) => Partial<EgressReply>, more: Partial<GatewayConfig> = {}) {
    const runtime = createVirtualRuntime();
    let ended = 0;
    let sent = 0;
    const inner = createScriptedEgress(() => ({ chunks: ['{}'], type: 'application/json' }));
    const egress: Egress = {
      async send(request) {
        const answer = await inner.send(request);
        return sent++ > 0 ? answer : ({ ...answer, ...reply(() => ended++) } as EgressReply);
      },
      close: inner.close,
    };
    const started = await startGateway(
      (config) => ({ ...config, models: { 'gpt-4.1': { targets: ['openai', 'openai/second'] } }, ...more }),
      { runtime, egress },
    );
    const pending = started.send('/v1/chat/completions', chat());
    await runtime.advanceAsync(6_000);
    const failures = started.gateway.records[0]?.attempts.map(({ failure }) => failure);
    return { status: (await pending).status, failures, ended };
  }

  it('is ended where it is larger than what is relayed, and the next target is asked', async () => {
    const collect = () => ({ bytes: Buffer.alloc(2_000, ' '), ended: false });
    const found = await start((end) => ({ body: { ...none, collect, cancel: end } }), {
      relay: { maxReplyBytes: 1_000 },
    });
    expect(found).toEqual({ status: 200, failures: ['too large', undefined], ended: 1 });
  });

  it('is waited for a few seconds where its status is an error', async () => {
    const found = await start((end) => {
      let settle = (_: Collected) => {};
      const collecting = new Promise<Collected>((resolve) => {
        settle = resolve;
      });
      const cancel = () => {
        end();
        settle({ bytes: new Uint8Array(0), ended: true });
      };
      return { status: 503, body: { ...none, collect: () => collecting, cancel } };
    });
    expect(found).toMatchObject({ status: 200, failures: ['status 503', undefined] });
    expect(found.ended).toBeGreaterThan(0);
  });

  const none = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
});

describe('a route', () => {
  it('forwards its requests in its own way', async () => {
    const started = await startThree({
      routes: [
        {
          name: 'eager',
          match: { stream: true },
          forwarding: { onFailure: { 'bad-request': 'next-target' } },
        },
      ],
    });
    const run = async (stream: boolean) => {
      started.upstream.fail(status(400));
      const reply = await started.send('/v1/chat/completions', chat({ stream }));
      await readText(reply);
      return [reply.status, started.targets()];
    };
    expect(await run(false)).toEqual([400, [one]]);
    expect(await run(true)).toEqual([200, [one, large]]);
  });
});
