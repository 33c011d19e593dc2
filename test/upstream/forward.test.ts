import {
  createFetchEgress,
  createUndiciEgress,
  type Egress,
  type GatewayConfig,
  type RequestRecord,
} from 'headgate';
import type { Fault } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, readBytes, readJson, readText, startGateway, until } from '../harness.ts';
import { startPair } from './start-pair.ts';

/** Sends a request with the header that Anthropic's clients always send. */
const anthropic = { headers: { 'anthropic-version': '2023-06-01' } };

const once = (config: GatewayConfig): GatewayConfig => ({ ...config, retry: { maxAttempts: 1 } });

describe('a request that fails at one target before a byte was sent', () => {
  const cases: readonly { name: string; fault: Fault; reason: string }[] = [
    { name: 'is rate limited', fault: { kind: 'status', status: 429 }, reason: 'status 429' },
    { name: 'is overloaded', fault: { kind: 'status', status: 503 }, reason: 'status 503' },
    { name: 'fails', fault: { kind: 'status', status: 500 }, reason: 'status 500' },
    {
      name: 'fails with a web page',
      fault: { kind: 'status', status: 500, body: 'html' },
      reason: 'status 500',
    },
    {
      name: 'answers 200 with a web page',
      fault: { kind: 'status', status: 200, body: 'html' },
      reason: 'html',
    },
    { name: 'refuses the credential', fault: { kind: 'status', status: 401 }, reason: 'status 401' },
    {
      name: 'has no quota left',
      fault: { kind: 'status', status: 429, reason: 'insufficient_quota' },
      reason: 'status 429 quota',
    },
    {
      name: 'redirects',
      fault: { kind: 'redirect', status: 307, location: 'http://169.254.169.254/' },
      reason: 'status 307',
    },
    { name: 'compresses unasked', fault: { kind: 'encoded', encoding: 'gzip' }, reason: 'encoding gzip' },
    { name: 'cuts its JSON off', fault: { kind: 'truncated-json' }, reason: 'invalid json' },
    {
      name: 'declares more bytes than it sends',
      fault: { kind: 'wrong-content-length', by: 100 },
      reason: 'connection broke',
    },
  ];
  for (const { name, fault, reason } of cases) {
    it(`is answered by the next one when the target ${name}`, async () => {
      const { gateway, upstream, backup, send } = await startPair();
      upstream.fail(fault);
      const reply = await send('/v1/chat/completions', chat());
      expect(reply.status).toBe(200);
      expect((await readJson(reply)).model).toContain('second');
      await reply.outcome;
      expect([upstream.requests.length, backup.requests.length]).toEqual([1, 1]);
      expect(backup.requests[0]?.headers.authorization).toBe('Bearer sk-backup');
      expect(gateway.records[0]?.attempts.map(({ target, failure }) => [target, failure])).toEqual([
        ['openai/gpt-4.1#default', reason],
        ['backup/second#default', undefined],
      ]);
    });
  }

  it('is answered by the next one when nobody listens at the target', async () => {
    const { gateway, upstream, send } = await startPair();
    await upstream.close();
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]?.attempts[0]?.failure).toBe('connect');
  });

  it('is not sent anywhere else when the provider calls it a bad request', async () => {
    const { upstream, backup, send } = await startPair();
    upstream.fail({ kind: 'status', status: 400, message: 'max_tokens is too large, sk-upstream-openai' });
    const reply = await send('/v1/chat/completions', chat());
    expect(reply.status).toBe(400);
    expect(reply.headers['x-should-retry']).toBe('false');
    expect((await readJson(reply)).error.message).toBe('max_tokens is too large, [redacted]');
    expect(backup.requests).toHaveLength(0);
  });

  it('is not sent again when the connection broke after it was written and nobody can tell what became of it', async () => {
    const { upstream, backup, send } = await startPair();
    upstream.fail({ kind: 'connection', at: 'request', how: 'reset' });
    const reply = await send('/v1/chat/completions', chat());
    expect(reply.status).toBe(502);
    expect([upstream.requests.length, backup.requests.length]).toEqual([1, 0]);
  });

  it('goes to the same target again on a connection that had only grown stale', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      providers: { openai: { ...config.providers.openai!, maxConnections: 1 } },
      models: { 'gpt-4.1': { targets: ['openai'] } },
    }));
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    upstream.fail({ kind: 'connection', at: 'request' });
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    expect(upstream.requests).toHaveLength(3);
  });
});

describe('a request that no target serves', () => {
  const cases: readonly { fault: Fault; openai: [number, string]; anthropic: number }[] = [
    {
      fault: { kind: 'status', status: 429, retryAfter: 7 },
      openai: [429, 'rate_limit_exceeded'],
      anthropic: 429,
    },
    { fault: { kind: 'status', status: 529 }, openai: [503, 'upstream_overloaded'], anthropic: 529 },
    { fault: { kind: 'status', status: 503 }, openai: [503, 'upstream_overloaded'], anthropic: 529 },
    { fault: { kind: 'status', status: 401 }, openai: [502, 'upstream_rejected_credential'], anthropic: 502 },
    { fault: { kind: 'status', status: 500, body: 'html' }, openai: [502, 'upstream_error'], anthropic: 502 },
    {
      fault: { kind: 'redirect', status: 302, location: 'http://localhost/' },
      openai: [502, 'upstream_redirect'],
      anthropic: 502,
    },
    {
      fault: { kind: 'broken-head', how: 'garbage-status' },
      openai: [502, 'upstream_unreachable'],
      anthropic: 502,
    },
  ];
  for (const { fault, openai, anthropic } of cases) {
    it(`gets ${openai[0]} or ${anthropic} in its dialect for ${JSON.stringify(fault)}`, async () => {
      const { upstream, send } = await startGateway(once);
      upstream.fail(fault, { times: 2 });
      const chatReply = await send('/v1/chat/completions', chat());
      expect(chatReply.status).toBe(openai[0]);
      const text = await readText(chatReply);
      expect(JSON.parse(text).error).toMatchObject({ message: expect.any(String), param: null });
      expect(text).not.toMatch(/html|169\.254|sk-upstream/i);
      const messageReply = await send('/v1/messages', {
        model: 'claude-sonnet',
        max_tokens: 5,
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(messageReply.status).toBe(anthropic);
      expect(await readJson(messageReply)).toMatchObject({
        type: 'error',
        error: { type: expect.any(String) },
      });
      expect(messageReply.headers['request-id']).toMatch(/^req_/);
    });
  }

  it('is tried once more after a server error, and then advises the caller against trying again', async () => {
    const { upstream, send } = await startGateway();
    upstream.fail({ kind: 'status', status: 500 }, { times: 100 });
    const reply = await send('/v1/chat/completions', chat());
    expect(reply.status).toBe(502);
    expect(upstream.requests).toHaveLength(2);
    expect(reply.headers['x-should-retry']).toBe('false');
  });

  /** A gateway whose only target has failed until its breaker opened. */
  async function startOpened(resetTimeoutMs: number, retry: object = {}, maxQueued = 100) {
    const started = await startGateway((config) => ({
      ...once(config),
      providers: {
        ...config.providers,
        openai: { ...(config.providers.openai as { type: 'openai' }), maxQueued },
      },
      breaker: { volumeThreshold: 5, errorThresholdPercentage: 50, resetTimeoutMs },
      retry: { ...once(config).retry, ...retry },
    }));
    started.upstream.fail({ kind: 'status', status: 500 }, { times: 5 });
    for (let index = 0; index < 5; index++) await started.send('/v1/chat/completions', chat());
    return { ...started, sent: started.upstream.requests.length };
  }

  it('is refused at once, and not sent, when its only target is not probed for longer than a request waits', async () => {
    const { upstream, send, sent } = await startOpened(60_000);
    const refused = await send('/v1/chat/completions', chat());
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(40);
    expect(upstream.requests).toHaveLength(sent);
  });

  it('waits for the probe when that is soon, with all others, and goes when one was answered', async () => {
    const { upstream, send, sent } = await startOpened(100);
    // far longer than what is looked at meanwhile takes, also on a busy machine
    upstream.fail({ kind: 'split', everyBytes: 100_000, delayMs: 2_000 });
    const replies = Array.from({ length: 20 }, () => send('/v1/chat/completions', chat()));
    await until(() => upstream.requests.length > sent);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(upstream.requests).toHaveLength(sent + 1);
    expect((await Promise.all(replies)).map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(upstream.requests).toHaveLength(sent + 20);
  });

  it('is refused when the probe that it waited for failed, and the next one is too late', async () => {
    const { upstream, send, sent } = await startOpened(4_000, { maxBackoffMs: 6_000 });
    upstream.fail({ kind: 'status', status: 500 }, { times: 9 });
    const replies = Array.from({ length: 20 }, () => send('/v1/chat/completions', chat()));
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([502, ...Array(19).fill(503)].sort());
    expect(upstream.requests).toHaveLength(sent + 1);
  });

  it('is refused at once when as many wait for the probe as may', async () => {
    const { upstream, send, sent } = await startOpened(2_000, {}, 3);
    const replies = Array.from({ length: 8 }, () => send('/v1/chat/completions', chat()));
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([...Array(3).fill(200), ...Array(5).fill(503)]);
    expect(upstream.requests).toHaveLength(sent + 3);
  });

  it('that waits for a probe is forgotten when its caller leaves', async () => {
    const { upstream, send, sent } = await startOpened(2_000);
    const caller = new AbortController();
    const left = send('/v1/chat/completions', chat(), { signal: caller.signal });
    setTimeout(() => caller.abort(), 30);
    await left.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(upstream.requests).toHaveLength(sent);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });

  it('leaves a target alone for as long as it asked, for every request', async () => {
    const { upstream, send } = await startGateway();
    upstream.fail({ kind: 'status', status: 429, retryAfter: 30 });
    const first = await send('/v1/chat/completions', chat());
    const second = await send('/v1/chat/completions', chat());
    expect([first.status, second.status]).toEqual([429, 429]);
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(25);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('a reply on its way', () => {
  it("is byte for byte the provider's, in every dialect, streamed or not", async () => {
    const { upstream, send } = await startGateway();
    const calls: readonly [string, object][] = [
      ['/v1/chat/completions', chat({ stream: true, stream_options: { include_usage: true } })],
      ['/v1/responses', { model: 'gpt-4.1', input: 'hi', stream: true }],
      [
        '/v1/messages',
        { model: 'claude-sonnet', max_tokens: 99, stream: true, messages: [{ role: 'user', content: 'hi' }] },
      ],
      [
        '/v1beta/models/gemini-flash:streamGenerateContent?alt=sse',
        { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
      ],
      [
        '/v1beta/models/gemini-flash:streamGenerateContent',
        { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
      ],
      ['/v1/embeddings', { model: 'text-embedding-3-small', input: 'hi' }],
    ];
    for (const [path, body] of calls) {
      for (const fault of [
        { kind: 'split', everyBytes: 1 },
        { kind: 'sse-format', lineEnding: '\r\n', bom: true, comments: true, extraFields: true },
        { kind: 'sse-format', lineEnding: 'mixed', multiLineData: true },
      ] satisfies Fault[]) {
        if (fault.kind === 'sse-format' && !path.includes('sse') && !('stream' in body)) continue;
        upstream.fail(fault);
        const reply = await send(path, body, path === '/v1/messages' ? anthropic : {});
        expect([path, reply.status]).toEqual([path, 200]);
        await readBytes(reply);
        expect([path, fault, (await reply.outcome).kind]).toEqual([path, fault, 'complete']);
        expect([path, (await reply.outcome).usage?.source]).toEqual([path, 'reported']);
      }
    }
  });

  it("ends with an error in the caller's dialect, never cleanly, when the stream breaks", async () => {
    const { upstream, send, gateway } = await startGateway();
    const calls: readonly [string, object, RegExp][] = [
      ['/v1/chat/completions', chat({ stream: true }), /data: \{"error":\{.*\}\}\n\n$/],
      [
        '/v1/responses',
        { model: 'gpt-4.1', input: 'hi', stream: true },
        /event: error\ndata: \{"type":"error",.*\}\n\n$/,
      ],
      [
        '/v1/messages',
        { model: 'claude-sonnet', max_tokens: 99, stream: true, messages: [{ role: 'user', content: 'hi' }] },
        /event: error\ndata: \{"type":"error",.*\}\n\n$/,
      ],
      [
        '/v1beta/models/gemini-flash:streamGenerateContent?alt=sse',
        { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
        /\r?\n\r?\ndata: \{"error":\{.*\}\}\n\n$/,
      ],
    ];
    for (const [path, body, tail] of calls) {
      for (const how of ['reset', 'fin-mid-chunk', 'clean-end', 'clean-end-close-delimited'] as const) {
        upstream.fail({ kind: 'cut', how, afterChunks: 2 });
        const reply = await send(path, body, path === '/v1/messages' ? anthropic : {});
        const text = await readText(reply);
        expect([path, how, text.slice(-400)]).toEqual([path, how, expect.stringMatching(tail)]);
        expect(text).not.toContain('[DONE]');
        expect((await reply.outcome).kind).toBe('failed');
      }
    }
    expect(gateway.records.every(({ usage }) => (usage?.outputTokens ?? 0) > 0)).toBe(true);
  });

  it('is cut off with an error when an event is larger than the bound, whatever its form', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      relay: { maxEventBytes: 65_536 },
    }));
    for (const fault of [
      { kind: 'giant-line', bytes: 4_000_000 },
      { kind: 'tiny-lines', count: 200_000 },
    ] satisfies Fault[]) {
      for (const stream_options of [{ include_usage: true }, undefined]) {
        upstream.fail(fault);
        const reply = await send('/v1/chat/completions', chat({ stream: true, stream_options }));
        const bytes = await readBytes(reply);
        expect(bytes.length).toBeLessThan(1_000_000);
        // nothing of it had gone out: an error with a status of its own
        expect(reply.status).toBe(502);
        expect(JSON.parse(bytes.toString()).error.code).toBe('upstream_invalid_response');
        expect(await reply.outcome).toMatchObject({ kind: 'failed', errorCode: 'upstream_invalid_response' });
      }
    }
  });

  it("passes on the provider's own error in a stream as the last thing", async () => {
    const { upstream, send } = await startGateway(undefined, {}, { chunkDelayMs: 5 });
    upstream.fail({ kind: 'stream-error', afterChunks: 5, message: 'Overloaded' });
    const reply = await send(
      '/v1/messages',
      { model: 'claude-sonnet', max_tokens: 99, stream: true, messages: [{ role: 'user', content: 'hi' }] },
      anthropic,
    );
    const text = await readText(reply);
    expect(text.match(/event: error/g)).toHaveLength(1);
    expect(await reply.outcome).toMatchObject({ kind: 'failed', errorCode: 'upstream_error' });
  });

  it('goes out as it comes when the JSON is too large to hold, and breaks off when it is larger than allowed', async () => {
    const { upstream, send } = await startGateway((config) => ({
      ...config,
      relay: { heldReplyBytes: 10_000, maxReplyBytes: 2_000_000 },
    }));
    upstream.fail({ kind: 'huge-json', bytes: 1_000_000 });
    const large = await send('/v1/chat/completions', chat());
    expect(large.body).not.toBeInstanceOf(Uint8Array);
    expect((await readBytes(large)).length).toBeGreaterThan(1_000_000);
    expect((await large.outcome).usage?.source).toBe('reported');
    upstream.fail({ kind: 'huge-json', bytes: 30_000_000 });
    const tooLarge = await send('/v1/chat/completions', chat());
    await expect(readBytes(tooLarge)).rejects.toThrow(/larger than this gateway relays/);
    await until(() => upstream.requests[1]?.closedAtMs !== undefined);
  });

  it('lets no more of a huge reply in than the caller takes', async () => {
    const { upstream, send, gateway } = await startGateway((config) => ({
      ...config,
      relay: { heldReplyBytes: 10_000, maxReplyBytes: 1_000_000_000 },
    }));
    upstream.fail({ kind: 'huge-json', bytes: 200_000_000 });
    const reply = await send('/v1/chat/completions', chat());
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    const before = process.memoryUsage().arrayBuffers;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16_000_000);
    await iterator.return?.();
    expect((await reply.outcome).kind).toBe('aborted');
    await until(() => gateway.records.length === 1);
  });
});

describe('a caller who goes away', () => {
  it('ends the attempt upstream before its headers came', async () => {
    const { upstream, send, gateway } = await startGateway();
    upstream.fail({ kind: 'stall' });
    const controller = new AbortController();
    const pending = send('/v1/chat/completions', chat(), { signal: controller.signal });
    await upstream.waitFor(() => true, 60_000);
    controller.abort();
    expect((await pending).status).toBe(499);
    await until(() => upstream.requests[0]?.aborted === true);
    expect(gateway.records[0]).toMatchObject({ outcome: 'aborted', errorCode: 'caller_gone' });
  });

  it.each([
    ['before the first content of a stream', createUndiciEgress, true, 0],
    ['before the end of a reply', createUndiciEgress, false, 0],
    ['behind some content of a stream', createUndiciEgress, true, 2],
    ['behind some content, over fetch,', createFetchEgress, true, 2],
  ])('%s speaks against no target, however many of them do', async (_, create, stream, afterChunks) => {
    let headCame = () => {};
    const inner = create();
    const egress: Egress = {
      send: (request) => inner.send(request).finally(() => setImmediate(headCame)),
      close: () => inner.close(),
    };
    const { upstream, send, gateway } = await startGateway(once, { egress });
    upstream.fail({ kind: 'cut', how: 'stall', afterChunks }, { times: 100 });
    for (let turn = 0; turn < 12; turn++) {
      const controller = new AbortController();
      const head = new Promise<void>((resolve) => {
        headCame = resolve;
      });
      const pending = send('/v1/chat/completions', chat({ stream }), { signal: controller.signal });
      await Promise.race([head, pending]);
      if (afterChunks > 0) {
        const reply = await pending;
        const reading = readText(reply).catch(() => '');
        controller.abort();
        await reading;
        expect((await reply.outcome).kind).toBe('aborted');
      } else {
        controller.abort();
        expect((await pending).status).toBe(499);
      }
    }
    await until(() => gateway.records.length === 12);
    const { outcome, attempts } = gateway.records[0] as RequestRecord;
    expect([outcome, attempts[0]?.failure]).toEqual(['aborted', afterChunks > 0 ? undefined : 'cancelled']);
    expect(gateway.health().targets).toMatchObject([{ breaker: 'closed', inFlight: 0 }]);
  });

  it('ends the stream upstream, and is charged for what had come', async () => {
    const { upstream, send, gateway } = await startGateway(undefined, {}, { chunkDelayMs: 20 });
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    await iterator.return?.();
    await until(() => upstream.requests[0]?.aborted === true);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'aborted', usage: { source: 'estimated' } });
  });

  it('leaves the stream to be read to its end for the usage where the configuration says drain, up to its bound', async () => {
    const { upstream, send, gateway } = await startGateway(
      (config) => ({ ...config, relay: { onDisconnect: 'drain', drain: { maxConcurrent: 1 } } }),
      {},
      { chunkDelayMs: 5 },
    );
    const open = await Promise.all([1, 2].map(() => send('/v1/chat/completions', chat({ stream: true }))));
    for (const reply of open) {
      const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.return?.();
    }
    const outcomes = await Promise.all(open.map(({ outcome }) => outcome));
    expect(outcomes.map(({ kind, usage }) => [kind, usage?.source])).toEqual([
      ['aborted', 'reported'],
      ['aborted', 'estimated'],
    ]);
    expect(upstream.requests.map(({ aborted }) => aborted).sort()).toEqual([false, true]);
    expect(gateway.records).toHaveLength(2);
  });
});

describe('what leaves the gateway', () => {
  it("is the caller's body byte for byte but for the model and the usage it must ask for", async () => {
    const { upstream, send } = await startGateway();
    const text =
      '{ "messages" : [{"role":"user","content":"h\\u00e9 \u{1F600}"}],\n\t"model":"gpt-alias",  "x_new":{"b":1,"a":[1.0,1e2]}, "stream":true }';
    await readText(await send('/v1/chat/completions', text));
    expect(upstream.requests[0]?.body.toString()).toBe(
      text
        .replace('"gpt-alias"', '"gpt-4.1-mini"')
        .replace('"stream":true }', '"stream":true ,"stream_options":{"include_usage":true}}'),
    );
    const plain = text.replace('"gpt-alias"', '"gpt-4.1"').replace('"stream":true', '"stream":false');
    await readText(await send('/v1/chat/completions', plain));
    expect(upstream.requests[1]?.body.toString()).toBe(plain);
  });

  it("brings back the provider's fields on the list and no others: no cookie, no server, no limits of the credential", async () => {
    const egress: Egress = {
      send: async () => ({
        status: 200,
        headers: {
          'content-type': 'application/json',
          'cache-control': 'no-store',
          'retry-after': '3',
          'x-request-id': 'req-of-provider',
          'set-cookie': ['__cf_bm=1'],
          'x-ratelimit-remaining-requests': '7',
          'access-control-allow-origin': '*',
          server: 'cloudflare',
          via: '1.1 x',
        },
        body: {
          collect: async () => ({ bytes: Buffer.from('{}'), ended: true }),
          cancel: () => undefined,
          [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
        },
      }),
      close: async () => undefined,
    };
    const { send } = await startGateway(undefined, { egress });
    const { headers } = await send('/v1/chat/completions', chat());
    expect(Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))).toEqual({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'retry-after': '3',
      'x-request-id': expect.stringMatching(/^req_/),
      'x-headgate-upstream-request-id': 'req-of-provider',
    });
  });

  it("carries the headers on the list and no others: no cookie, no forwarding field, none of the caller's keys", async () => {
    const { upstream, send, key } = await startGateway();
    await send(
      '/v1/messages',
      { model: 'claude-sonnet', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] },
      {
        headers: {
          'anthropic-version': '2023-06-01',
          'anthropic-beta': 'a-1,b-2',
          'idempotency-key': 'k1',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
          tracestate: 'a=b',
          'user-agent': 'claude-cli/2',
          cookie: 'session=1',
          'x-forwarded-for': '1.2.3.4',
          'x-headgate-key': key,
          'openai-organization': 'org-evil',
          connection: 'x-secret, keep-alive',
          'x-secret': '1',
          'accept-encoding': 'gzip, br',
          te: 'trailers',
        },
      },
    );
    const {
      host,
      connection,
      'content-length': length,
      ...headers
    } = { ...upstream.requests[0]?.headers } as Record<string, string>;
    expect(host && connection && length).toBeTruthy();
    expect(headers).toEqual({
      'content-type': 'application/json',
      'user-agent': 'claude-cli/2',
      'idempotency-key': 'k1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=b',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a-1,b-2',
      'accept-encoding': 'identity',
      'x-api-key': 'sk-ant-upstream',
    });
  });
});
