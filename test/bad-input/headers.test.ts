import type { GatewayReply, HeaderMap } from 'headgate';
import { describe, expect, it } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';
import { ask, dialects } from './dialects.ts';

const evil = 'a\r\nx-evil: 1\r\n\r\nGET /evil HTTP/1.1';

/** What Node would refuse to send, or read as something else. */
const isSendable = (headers: HeaderMap) =>
  Object.entries(headers).every(
    ([name, value]) =>
      /^[a-z0-9-]+$/.test(name) &&
      [value ?? ''].flat().every((line) => !/[^\t\x20-\x7e\x80-\xff]/.test(line)),
  );

const check = (reply: GatewayReply) => {
  expect(isSendable(reply.headers)).toBe(true);
  expect(Object.keys(reply.headers)).not.toContain('x-evil');
  expect(reply.headers['x-request-id']).toMatch(/^req_[0-9a-z]{20,60}$/);
};

describe.each(dialects)('an $dialect request', (one) => {
  it('gets a request id of our own, in its record too, whatever it sends as one', async () => {
    const { send, gateway, upstream } = await startGateway();
    const headers = { 'x-request-id': 'mine', 'request-id': 'mine', 'x-headgate-request-id': 'mine' };
    for (const body of [one.body, '{']) {
      const { reply } = await ask(send, one, body, { headers });
      check(reply);
      if (one.dialect === 'anthropic')
        expect(reply.headers['request-id']).toBe(reply.headers['x-request-id']);
      await until(() => gateway.records.some(({ id }) => id === reply.headers['x-request-id']));
    }
    expect(JSON.stringify(upstream.requests[0]?.rawHeaders)).not.toContain('mine');
  });

  it('cannot put a line break from its body into any header, here or upstream', async () => {
    const { send, upstream } = await startGateway((config) => ({
      ...config,
      models: { '*': { targets: [one.dialect] } },
      profiles: { standard: { limits: [{ unit: 'requests', amount: 1, window: '1d', mode: 'warn' }] } },
    }));
    const bodies = [
      { ...one.body, model: evil },
      { ...one.body, user: evil, metadata: { user_id: evil, [evil]: evil } },
      { ...one.body, tools: [{ type: 'function', name: evil, function: { name: evil } }] },
    ];
    for (const body of bodies) {
      const { reply, status } = await ask(send, one, body);
      expect(status).toBeLessThan(500);
      check(reply);
    }
    for (const request of upstream.requests) {
      expect(request.path).not.toContain('evil HTTP');
      expect(Object.keys(request.headers)).not.toContain('x-evil');
    }
    expect(upstream.requests.map(({ path }) => path)).not.toContain('/evil');
  });
});

describe('a header value that no header can hold', () => {
  // an adapter over WHATWG headers lets control characters through that Node's own parser does not
  it.each([
    'accept',
    'user-agent',
    'idempotency-key',
    'anthropic-beta',
    'traceparent',
    'openai-beta',
    'content-type',
  ])('in %s is refused or left out: never sent, never a failure of the provider', async (name) => {
    const { send, upstream, gateway } = await startGateway((config) => ({
      ...config,
      providers: Object.fromEntries(
        Object.entries(config.providers).map(([id, entry]) => [
          id,
          { ...entry, forwardHeaders: ['openai-beta', 'anthropic-beta'] },
        ]),
      ),
      breaker: { volumeThreshold: 3, errorThresholdPercentage: 1 },
      retry: { maxAttempts: 1 },
    }));
    for (const value of [evil, 'a\x01b', 'a\0b', 'a\x7fb', 'ａ']) {
      const reply = await send('/v1/chat/completions', chat(), { headers: { [name]: value } });
      await readText(reply);
      expect([JSON.stringify(value), reply.status < 500]).toEqual([JSON.stringify(value), true]);
      check(reply);
    }
    expect(gateway.records.flatMap(({ attempts }) => attempts.filter(({ failure }) => failure))).toEqual([]);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    for (const request of upstream.requests) expect(request.headers['x-evil']).toBeUndefined();
  });
});

describe('the headers that go upstream', () => {
  const own = {
    cookie: 'session=canary',
    'x-forwarded-for': 'canary',
    'x-forwarded-host': 'canary',
    'x-real-ip': 'canary',
    forwarded: 'for=canary',
    'x-gw-admin': 'canary',
    'x-headgate-target': 'canary',
    'proxy-authorization': 'Basic canary',
    'openai-organization': 'canary',
    'openai-project': 'canary',
    'anthropic-dangerous-direct-browser-access': 'canary',
    'x-goog-user-project': 'canary',
    origin: 'https://canary.test',
    referer: 'https://canary.test',
    te: 'trailers',
    trailer: 'canary',
    upgrade: 'h2c',
    connection: 'authorization, x-api-key, content-type',
    'keep-alive': 'timeout=5',
    'transfer-encoding': 'chunked',
    'content-length': '5',
    expect: '100-continue',
    host: 'canary.test',
    'accept-encoding': 'gzip',
    'content-encoding': 'gzip',
  };

  it.each(dialects)('hold nothing of what the caller had no business to send: $dialect', async (one) => {
    const { send, upstream, key } = await startGateway();
    const { status } = await ask(send, one, one.body, { headers: own });
    expect(status).toBe(200);
    const { headers, body, rawHeaders } = upstream.requests[0]!;
    expect(JSON.stringify(rawHeaders)).not.toContain('canary');
    expect(JSON.stringify(rawHeaders)).not.toContain(key);
    expect(headers['accept-encoding']).toBe('identity');
    expect(headers['content-type']).toBe('application/json');
    expect(headers['content-encoding']).toBeUndefined();
    expect(headers['transfer-encoding']).toBeUndefined();
    expect(headers.host).toBe(upstream.url.slice('http://'.length));
    expect(Number(headers['content-length'])).toBe(body.length);
  });

  it('of the caller never name another key or framing, whatever the configuration passes on', async () => {
    const everything = [...Object.keys(own), 'authorization', 'x-api-key', 'x-headgate-key', 'x-wanted'];
    const { send, upstream, key } = await startGateway((config) => ({
      ...config,
      providers: {
        openai: { ...config.providers.openai!, forwardHeaders: everything },
      },
      models: { 'gpt-4.1': { targets: ['openai'] } },
    }));
    const reply = await send('/v1/chat/completions', chat(), {
      headers: { ...own, authorization: 'Bearer sk-own-canary', 'x-headgate-key': key, 'x-wanted': 'yes' },
    });
    expect(reply.status).toBe(200);
    const { headers, rawHeaders } = upstream.requests[0]!;
    expect(headers['x-wanted']).toBe('yes');
    expect(headers.authorization).toBe('Bearer sk-upstream-openai');
    expect(JSON.stringify(rawHeaders)).not.toContain(key);
    expect(headers.cookie).toBeUndefined();
    expect(headers.host).toBe(upstream.url.slice('http://'.length));
  });
});
