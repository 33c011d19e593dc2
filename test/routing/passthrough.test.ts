import { inspect } from 'node:util';
import {
  createHostIdentity,
  createUndiciEgress,
  type Egress,
  type GatewayConfig,
  type GatewayOptions,
  type HeaderMap,
} from 'headgate';
import { describe, expect, it } from 'vitest';
import { chat, makeKey, readJson, readText, startGateway, until } from '../harness.ts';
import { anthropic, gemini, message } from '../stages/limited-gateway.ts';

const token = 'sk-ant-oat01-canary-4711-of-ada';
const others = 'sk-ant-oat01-canary-4712-of-bob';
const people = { ada: makeKey('payments', { owner: 'ada' }), bob: makeKey('payments', { owner: 'bob' }) };

/** A gateway whose callers pay Anthropic themselves. */
async function start(
  change: (config: GatewayConfig, url: string) => GatewayConfig = (config) => config,
  options: GatewayOptions = {},
) {
  const errors: unknown[] = [];
  const started = await startGateway(
    (config, url) =>
      change(
        {
          ...config,
          models: {
            ...config.models,
            'claude-sonnet': { targets: ['anthropic'], price: { input: 3, output: 15 } },
          },
          profiles: { standard: { billing: 'passthrough' } },
          keys: Object.values(people).map(({ record }) => record),
        },
        url,
      ),
    { onError: (error) => errors.push(error), ...options },
  );
  const { send, gateway } = started;
  /** As a client sends that pays for itself; `more` wins. */
  const as = (more: Record<string, string | readonly string[] | undefined> = {}): { headers: HeaderMap } => ({
    headers: {
      ...anthropic.headers,
      authorization: `Bearer ${token}`,
      'x-headgate-key': people.ada.key,
      ...more,
    },
  });
  const ask = (headers: Parameters<typeof as>[0] = {}, more: object = {}) =>
    send('/v1/messages', message(more), as(headers));
  const recordsOf = async (count: number) => {
    await until(() => gateway.records.length === count);
    return gateway.records;
  };
  return { ...started, errors, as, ask, recordsOf };
}

const credentialsOf = ({ headers }: { headers: Record<string, unknown> }) => [
  headers.authorization,
  headers['x-api-key'],
  headers['x-headgate-key'],
];

describe('a caller who pays Anthropic itself', () => {
  it('is sent without a credential that stands among the headers of the provider', async () => {
    const { ask, upstream } = await start((config) => ({
      ...config,
      providers: {
        ...config.providers,
        anthropic: { ...config.providers.anthropic!, headers: { 'x-api-key': 'sk-of-the-operator' } },
      },
    }));
    expect((await ask()).status).toBe(200);
    expect(upstream.requests.map(credentialsOf)).toEqual([[`Bearer ${token}`, undefined, undefined]]);
  });

  it('has its Authorization or x-api-key sent as it is, in place of the gateway’s credential', async () => {
    const { ask, upstream, recordsOf } = await start();
    expect((await ask({ 'anthropic-beta': 'oauth-2025-04-20' })).status).toBe(200);
    expect((await ask({ authorization: undefined, 'x-api-key': token })).status).toBe(200);
    expect((await ask({ authorization: `bearer  ${token}`, 'x-api-key': '' })).status).toBe(200);
    expect(upstream.requests.map(credentialsOf)).toEqual([
      [`Bearer ${token}`, undefined, undefined],
      [undefined, token, undefined],
      [`bearer  ${token}`, undefined, undefined],
    ]);
    expect(upstream.requests[0]?.headers['anthropic-beta']).toBe('oauth-2025-04-20');
    const [record] = await recordsOf(3);
    expect(record).toMatchObject({
      billing: 'passthrough',
      status: 200,
      user: 'ada',
      target: 'anthropic/claude-sonnet',
      attempts: [{ target: `anthropic/claude-sonnet#caller:${people.ada.record.kid}` }],
    });
    expect(record?.costNanoUsd).toBeGreaterThan(0);
  });

  it('pays streams, counts of tokens and batches from their making to their results', async () => {
    const { send, ask, as, upstream, recordsOf } = await start();
    expect(await readText(await ask({}, { stream: true }))).toContain('message_stop');
    const { max_tokens: _, ...counted } = message();
    expect((await send('/v1/messages/count_tokens', counted, as())).status).toBe(200);
    const requests = [{ custom_id: 'a', params: message() }];
    const { id } = await readJson(await send('/v1/messages/batches', { requests }, as()));
    const path = `/v1/messages/batches/${id}`;
    expect((await readJson(await send(path, undefined, as()))).processing_status).toBe('ended');
    expect(await readText(await send(`${path}/results`, undefined, as()))).toContain('"custom_id":"a"');
    expect(upstream.requests.map(credentialsOf)).toEqual(
      Array(5).fill([`Bearer ${token}`, undefined, undefined]),
    );
    expect((await recordsOf(5)).map(({ billing }) => billing)).toEqual(Array(5).fill('passthrough'));
  });

  it('is held to limits of tokens and requests, and spends nobody’s money', async () => {
    const { ask, gateway } = await start((config) => ({
      ...config,
      models: { 'claude-sonnet': { targets: ['anthropic'], price: { input: 3, output: 15 } } },
      limits: [{ unit: 'usd', amount: 0, window: '1d' }],
      profiles: {
        standard: { billing: 'passthrough', limits: [{ unit: 'requests', amount: 3, window: '1d' }] },
      },
      teams: { payments: { profile: 'standard', limits: [{ unit: 'tokens', amount: 100, window: '1d' }] } },
    }));
    const large = await ask({}, { max_tokens: 101 });
    expect([large.status, (await readJson(large)).error.message]).toEqual([
      400,
      expect.stringContaining('tokens'),
    ]);
    expect((await ask()).status).toBe(200);
    await until(() => gateway.records.length === 2);
    const used =
      (gateway.records[1]?.usage?.inputTokens ?? 0) + (gateway.records[1]?.usage?.outputTokens ?? 0);
    const explained = await gateway.explain({
      method: 'POST',
      path: '/v1/messages',
      query: '',
      headers: {
        ...anthropic.headers,
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'x-headgate-key': people.ada.key,
      },
      signal: new AbortController().signal,
      readBody: async () => new TextEncoder().encode(JSON.stringify(message())),
    });
    expect(explained.limits?.map(({ unit, used }) => [unit, used])).toEqual([
      ['tokens', used],
      ['requests', 1],
    ]);
    expect(explained.policy?.billing).toMatchObject({ value: 'passthrough' });
    expect(inspect(explained, { depth: 20 })).not.toContain(token);
  });

  it('spends the gateway’s money for nothing that it calls by a name of its own choice', async () => {
    const { ask, send, upstream } = await start((config) => ({
      ...config,
      models: {
        'claude-sonnet': { targets: ['anthropic'], price: { input: 3, output: 15 } },
        '*': { targets: ['openai/gpt-4.1'], price: { input: 2, output: 8 } },
      },
      profiles: {
        standard: {
          billing: 'passthrough',
          limits: [{ unit: 'usd', amount: '0.000001', window: '1d', per: 'key' }],
        },
      },
    }));
    expect((await ask()).status).toBe(200);
    for (const model of ['own claude-sonnet', 'true claude-sonnet', 'gpt-4.1']) {
      const headers = { authorization: `Bearer ${people.ada.key}` };
      expect((await send('/v1/chat/completions', chat({ model }), { headers })).status, model).toBe(400);
    }
    expect(upstream.requests).toHaveLength(1);
  });

  it('spends no money of an agent run either, and is held to its requests', async () => {
    const { ask, gateway } = await start();
    const { headers } = gateway.run({ maxUsd: 0.000001, maxRequests: 2 });
    expect((await ask(headers)).status).toBe(200);
    expect((await ask(headers)).status).toBe(200);
    const refused = await ask(headers);
    expect([refused.status, (await readJson(refused)).error.message]).toEqual([
      402,
      expect.stringContaining('The limit "run'),
    ]);
  });

  it('is served the reply of before for the same idempotency-key, and nothing is sent', async () => {
    const { ask, upstream, recordsOf } = await start();
    const first = await readText(await ask({ 'idempotency-key': 'k1' }));
    const again = await ask({ 'idempotency-key': 'k1', authorization: undefined, 'x-api-key': token });
    expect([again.headers['idempotent-replayed'], await readText(again)]).toEqual(['true', first]);
    expect(upstream.requests).toHaveLength(1);
    expect((await recordsOf(2)).map(({ billing, replayed }) => [billing, replayed])).toEqual([
      ['passthrough', undefined],
      [undefined, true],
    ]);
  });

  it('is told 401 when Anthropic refuses its token, and asked again with the next one', async () => {
    const { ask, upstream, recordsOf } = await start((config) => ({
      ...config,
      breaker: { volumeThreshold: 1 },
    }));
    upstream.fail({ kind: 'status', status: 401, message: `invalid bearer token ${token}` });
    const reply = await ask();
    const text = await readText(reply);
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(JSON.parse(text)).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error', message: expect.stringContaining('your own token') },
    });
    expect(text).not.toContain(token);
    expect(upstream.requests).toHaveLength(1);
    expect((await ask()).status).toBe(200);
    expect((await recordsOf(2))[0]).toMatchObject({
      status: 401,
      errorCode: 'invalid_token',
      outcome: 'failed',
    });
  });

  it('holds up nobody else when it is over its limits or its requests fail', async () => {
    const { ask, upstream } = await start((config) => ({
      ...config,
      breaker: { volumeThreshold: 2, errorThresholdPercentage: 50 },
      retry: { maxAttempts: 1, maxBackoffMs: 5 },
    }));
    const asBob = { 'x-headgate-key': people.bob.key, authorization: `Bearer ${others}` };
    upstream.fail({ kind: 'status', status: 429, retryAfter: 3_600 });
    expect([(await ask()).status, (await ask()).status, (await ask(asBob)).status]).toEqual([429, 429, 200]);
    expect(upstream.requests).toHaveLength(2);
    upstream.fail({ kind: 'status', status: 500 }, { times: 4 });
    for (let turn = 0; turn < 4; turn++) expect((await ask(asBob)).status).toBe(502);
    expect((await ask(asBob)).status).toBe(529);
    expect(upstream.requests).toHaveLength(6);
  });

  it('shares no connection with another', async () => {
    const { ask, upstream } = await start();
    for (const credential of [token, others, token, others]) {
      await readText(await ask({ authorization: `Bearer ${credential}` }));
    }
    expect(upstream.connections).toBe(2);
  });
});

describe('a caller who ought to pay itself', () => {
  it.each<[string, Record<string, string | readonly string[] | undefined>]>([
    ['sends nothing but the gateway’s key', { authorization: undefined }],
    [
      'sends it as the only credential',
      { 'x-headgate-key': undefined, authorization: `Bearer ${people.ada.key}` },
    ],
    ['sends it twice, as clients do that know one key', { authorization: `Bearer ${people.ada.key}` }],
    ['sends it in every field', { authorization: undefined, 'x-api-key': people.ada.key }],
    ['sends another key of the gateway', { authorization: undefined, 'x-api-key': people.bob.key }],
    ['sends an empty field', { authorization: '', 'x-api-key': '' }],
    ['sends no token', { authorization: 'Bearer ' }],
    ['sends what is meant for a proxy', { authorization: 'Basic YWRhOnNlY3JldA==' }],
    ['sends two at once', { authorization: undefined, 'x-api-key': [token, others] }],
    ['sends what no header can carry', { authorization: undefined, 'x-api-key': 'sk-ant-\u00e9' }],
    ['sends far too much', { authorization: undefined, 'x-api-key': 'a'.repeat(20_000) }],
  ])('and %s is told how, with 401, and nothing is sent', async (_, headers) => {
    const { ask, upstream, recordsOf } = await start();
    const reply = await ask(headers);
    const { type, error } = await readJson(reply);
    expect([reply.status, type, error.type]).toEqual([401, 'error', 'authentication_error']);
    expect(error.message).toMatch(/own subscription.*x-headgate-key/);
    expect(reply.headers['www-authenticate']).toBe('Bearer');
    expect(upstream.requests).toHaveLength(0);
    expect((await recordsOf(1))[0]).toMatchObject({ errorCode: 'missing_key', outcome: 'refused' });
    expect((await recordsOf(1))[0]).toMatchObject({ billing: undefined, attempts: [] });
  });

  it('sends the gateway’s key in one field and its own in the other: only its own goes out', async () => {
    const { ask, upstream } = await start();
    await ask({ authorization: `Bearer ${people.ada.key}`, 'x-api-key': token });
    expect(upstream.requests.map(credentialsOf)).toEqual([[undefined, token, undefined]]);
  });

  it('cannot, when only the host application knows who it is', async () => {
    const identities = [createHostIdentity(() => ({ id: 'session-1', team: 'payments' }))];
    const { ask, upstream } = await start(undefined, { identities });
    const reply = await ask();
    expect([reply.status, (await readJson(reply)).error.type]).toEqual([403, 'permission_error']);
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('a caller’s own token', () => {
  it('stays here where the profile does not ask for it, and for endpoints of other providers', async () => {
    const { send, as, upstream, recordsOf } = await start();
    expect((await send('/v1/chat/completions', chat(), as())).status).toBe(200);
    expect((await send('/v1beta/models/gemini-flash:generateContent', gemini, as())).status).toBe(200);
    expect((await recordsOf(2)).map(({ billing }) => billing)).toEqual(['standard', 'standard']);
    const standard = await start((config) => ({ ...config, profiles: { standard: {} } }));
    expect((await standard.ask()).status).toBe(200);
    const everywhere = [...upstream.requests, ...standard.upstream.requests];
    expect(everywhere).toHaveLength(3);
    expect(inspect(everywhere.map(({ rawHeaders }) => rawHeaders))).not.toContain(token);
    expect(standard.upstream.requests[0]?.headers['x-api-key']).toBe('sk-ant-upstream');
  });

  /** Another provider that speaks Anthropic's dialect, as the second target, the first, and the only one. */
  const elsewhere =
    (targets: string[], first: 'anthropic' | 'zai' = 'anthropic') =>
    (config: GatewayConfig, url: string): GatewayConfig => {
      const zai = { type: 'anthropic', apiKey: 'sk-zai', baseUrl: `${url}/zai` };
      const { anthropic, ...rest } = config.providers;
      return {
        ...config,
        providers: {
          ...(first === 'zai' ? { zai, anthropic } : { anthropic, zai }),
          ...rest,
        } as GatewayConfig['providers'],
        models: { 'claude-sonnet': { targets } },
      };
    };

  it('goes to no other provider of the same dialect when Anthropic fails', async () => {
    const { ask, upstream } = await start(elsewhere(['anthropic', 'zai']));
    upstream.fail({ kind: 'status', status: 529 }, { times: 100 });
    expect((await ask()).status).toBe(529);
    expect(upstream.requests.length).toBeGreaterThan(1);
    expect(new Set(upstream.requests.map(({ path }) => path))).toEqual(new Set(['/v1/messages']));
  });

  it('goes to no other provider of the same dialect that stands first, and a model of such a one alone is refused', async () => {
    const first = await start(elsewhere(['zai', 'anthropic']));
    expect((await first.ask()).status).toBe(200);
    expect(first.upstream.requests.map(({ path }) => path)).toEqual(['/v1/messages']);
    const only = await start(elsewhere(['zai']));
    const reply = await only.ask();
    expect([reply.status, (await readJson(reply)).error.type]).toEqual([403, 'permission_error']);
    expect(only.upstream.requests).toHaveLength(0);
  });

  it('goes to Anthropic’s public address wherever that entry stands, for calls without a model too', async () => {
    const origins: string[] = [];
    const inner = createUndiciEgress();
    let base = '';
    // the public address, played by the upstream of the test
    const egress: Egress = {
      ...inner,
      send(request) {
        origins.push(request.origin);
        const whenGone: typeof request.whenGone = (listener) => request.whenGone(listener);
        return inner.send({ ...request, origin: base, signal: request.signal, whenGone });
      },
    };
    const { ask, send, as } = await start(
      (config, url) => {
        base = url;
        const changed = elsewhere(['zai', 'anthropic'], 'zai')(config, url);
        return {
          ...changed,
          providers: { ...changed.providers, anthropic: { type: 'anthropic', apiKey: 'sk-ant-upstream' } },
        };
      },
      { egress },
    );
    expect((await ask()).status).toBe(200);
    expect((await send('/v1/messages/batches/msgbatch_01', undefined, as())).status).toBe(404);
    expect(origins).toEqual(['https://api.anthropic.com', 'https://api.anthropic.com']);
  });

  it('is in no record, reply, error, explanation or snapshot, whatever becomes of the request', async () => {
    const { ask, upstream, gateway, errors, recordsOf } = await start();
    const replies: string[] = [];
    const add = async (reply: Awaited<ReturnType<typeof ask>>) => {
      replies.push(`${JSON.stringify(reply.headers)} ${await readText(reply)}`);
    };
    await add(await ask());
    for (const status of [400, 401, 403, 429, 500]) {
      upstream.fail({ kind: 'status', status, message: `no: Bearer ${token} / ${token}` }, { times: 9 });
      await add(await ask({ 'x-headgate-key': people.bob.key, 'idempotency-key': String(status) }));
      upstream.reset();
    }
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 1 });
    await add(await ask({}, { stream: true }));
    const told = inspect([replies, await recordsOf(7), errors, gateway.snapshot, gateway], { depth: 12 });
    expect(told).not.toContain('canary');
    expect(replies.join()).toContain('[redacted]');
  });
});
