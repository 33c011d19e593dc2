import {
  createHostIdentity,
  createJwtIdentity,
  createMemorySecretStore,
  createVault,
  type GatewayConfig,
  GatewayError,
  type GatewayOptions,
  type HeaderMap,
  type HostFacts,
  type Identity,
  type JwtIdentityOptions,
} from 'headgate';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, makeKey, readJson, startGateway, until } from '../harness.ts';
import { createRing } from '../secrets/fixture.ts';
import { anthropic, gemini, message } from '../stages/limited-gateway.ts';
import { startProvider } from './local-provider.ts';

const people = {
  ada: makeKey('payments', { owner: 'ada-4711', createdAtMs: 0 }),
  rita: makeKey('research', { owner: 'rita' }),
};

/** A gateway that takes tokens of a provider as well as keys, on the provider's clock. */
async function start(
  change: (config: GatewayConfig) => GatewayConfig = (config) => config,
  {
    jwt = {},
    identities = [],
    ...options
  }: GatewayOptions & { readonly jwt?: Partial<JwtIdentityOptions> } = {},
) {
  const provider = await startProvider();
  onTestFinished(() => provider.close());
  const { runtime } = provider;
  const staff = createJwtIdentity({
    name: 'acme',
    issuer: provider.issuer,
    audience: 'headgate',
    teams: { 'llm-payments': 'payments', 'llm-research': 'research', 'llm-old': 'dissolved' },
    runtime,
    ...jwt,
  });
  const started = await startGateway(
    (config) =>
      change({
        ...config,
        profiles: { standard: { models: ['gpt-4.1', 'claude-*', 'gemini-*'] }, wide: {} },
        teams: { payments: { profile: 'standard' }, research: { profile: 'wide' } },
        keys: Object.values(people).map(({ record }) => record),
      }),
    { runtime, identities: [...identities, staff], ...options },
  );
  const { gateway } = started;
  const call = (
    headers: HeaderMap,
    path = '/v1/chat/completions',
    body: object = chat(),
    more: object = {},
  ) =>
    gateway.handle({
      method: 'POST',
      path,
      query: '',
      headers: { 'content-type': 'application/json', ...headers },
      signal: new AbortController().signal,
      readBody: async () => new TextEncoder().encode(JSON.stringify(body)),
      ...more,
    });
  /** Status and code. */
  const answer = async (headers: HeaderMap, model = 'gpt-4.1', more: object = {}) => {
    const reply = await call(headers, undefined, chat({ model }), more);
    const { error } = await readJson(reply);
    return error ? [reply.status, error.code] : reply.status;
  };
  const lastRecord = async (count: number) => {
    await until(() => gateway.records.length === count);
    return gateway.records[count - 1];
  };
  return { ...started, provider, call, answer, lastRecord };
}

const bearer = (credential: string): HeaderMap => ({ authorization: `Bearer ${credential}` });

describe('a caller with a token of the organisation', () => {
  it('is on record as who the token says, in the team of its group, and the token goes no further', async () => {
    const { provider, answer, lastRecord, upstream, gateway } = await start();
    const token = await provider.sign();
    for (const headers of [bearer(token), { 'x-api-key': token }, { 'x-headgate-key': token }]) {
      expect(await answer(headers)).toBe(200);
    }
    const record = await lastRecord(3);
    expect(record).toMatchObject({
      team: 'payments',
      user: 'ada-4711',
      outcome: 'complete',
      billing: 'standard',
    });
    expect(new Set(gateway.records.map(({ key }) => key)).size).toBe(1);
    expect(record?.key).not.toBe(people.ada.record.kid);
    const everything = JSON.stringify([
      gateway.records,
      upstream.requests.map(({ rawHeaders }) => rawHeaders),
    ]);
    expect(everything).not.toContain(token.split('.')[1]);
    expect(everything).toContain('sk-upstream-openai');
  });

  it('gets the models of its team, and another team with another group', async () => {
    const { provider, answer, call, gateway } = await start();
    const payments = bearer(await provider.sign());
    const research = bearer(await provider.sign({ claims: { groups: ['staff', 'llm-research'] } }));
    expect([await answer(payments, 'gpt-alias'), await answer(research, 'gpt-alias')]).toEqual([
      [404, 'model_not_found'],
      200,
    ]);
    const explained = await gateway.explain({
      method: 'POST',
      path: '/v1/chat/completions',
      query: '',
      headers: { ...research, 'content-type': 'application/json' },
      signal: new AbortController().signal,
      readBody: async () => new TextEncoder().encode(JSON.stringify(chat())),
    });
    expect(explained).toMatchObject({ allowed: true, profile: 'wide', principal: { source: 'jwt' } });
    const reply = await call(payments, '/v1/models', {}, { method: 'GET' });
    expect((await readJson(reply)).data.map(({ id }: { id: string }) => id)).not.toContain('gpt-alias');
  });

  it('without a group that counts, or of a team that is not configured any more, is 403', async () => {
    const { provider, answer, gateway, config } = await start();
    expect(await answer(bearer(await provider.sign({ claims: { groups: [] } })))).toEqual([
      403,
      'not_permitted',
    ]);
    expect(await answer(bearer(await provider.sign({ claims: { groups: ['llm-old'] } })))).toEqual([
      403,
      'not_permitted',
    ]);
    const token = await provider.sign();
    expect(await answer(bearer(token))).toBe(200);
    gateway.update({ ...config, teams: { research: { profile: 'wide' } }, keys: [people.rita.record] });
    expect(await answer(bearer(token))).toEqual([403, 'not_permitted']);
  });

  it('shares the limits of its user over its tokens and its keys, and nobody else’s', async () => {
    const { provider, answer } = await start((config) => ({
      ...config,
      profiles: {
        standard: { limits: [{ unit: 'requests', amount: 3, window: '1d', per: 'user' }] },
        wide: {},
      },
      users: { rita: { limits: [{ unit: 'requests', amount: 1, window: '1d' }] } },
    }));
    const first = bearer(await provider.sign());
    const second = bearer(await provider.sign({ claims: { jti: 'another' } }));
    expect([await answer(first), await answer(second), await answer(bearer(people.ada.key))]).toEqual([
      200, 200, 200,
    ]);
    for (const headers of [first, second, bearer(people.ada.key)]) {
      expect(await answer(headers)).toEqual([402, 'insufficient_quota']);
    }
    expect(await answer(bearer(await provider.sign({ claims: { sub: 'bob-0815' } })))).toBe(200);
    // the user's own limits hold whatever it comes with
    expect(await answer(bearer(people.rita.key))).toBe(200);
    const asRita = await provider.sign({ claims: { sub: 'rita', groups: ['llm-research'] } });
    expect(await answer(bearer(asRita))).toEqual([402, 'insufficient_quota']);
  });

  it('is refused from the instant that the token ends, though it was accepted a moment ago', async () => {
    const { provider, answer, lastRecord } = await start(undefined, { jwt: { clockToleranceS: 0 } });
    const token = await provider.sign();
    expect(await answer(bearer(token))).toBe(200);
    provider.runtime.advance(3_600_000);
    expect(await answer(bearer(token))).toEqual([401, 'expired_token']);
    expect(await lastRecord(2)).toMatchObject({
      status: 401,
      errorCode: 'expired_token',
      outcome: 'refused',
    });
  });

  it('is told 503 and not 401 while the provider’s keys cannot be had, and keys go on', async () => {
    const { provider, answer } = await start();
    const mend = provider.fail((_, response) => response.writeHead(500).end());
    expect(await answer(bearer(await provider.sign()))).toEqual([503, 'identity_unavailable']);
    expect(await answer(bearer(people.ada.key))).toBe(200);
    mend();
    provider.runtime.advance(5_000);
    expect(await answer(bearer(await provider.sign()))).toBe(200);
  });
});

describe('a token that is not good', () => {
  it.each([
    ['/v1/chat/completions', chat(), (body: { error: object }) => body.error],
    ['/v1/responses', { model: 'gpt-4.1', input: 'x' }, (body: { error: object }) => body.error],
    ['/v1/messages', message(), (body: { error: object }) => body.error],
    ['/v1beta/models/gemini-flash:generateContent', gemini, (body: { error: object }) => body.error],
  ])('is 401 in the shape of %s, says nothing of itself and reaches nobody', async (path, body, errorOf) => {
    const { provider, call, upstream, lastRecord } = await start();
    const token = await provider.sign({ claims: { aud: 'elsewhere' } });
    const reply = await call(bearer(token), path, body);
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
    const error = errorOf(await readJson(reply));
    const shapes: Record<string, object> = {
      '/v1/messages': { type: 'authentication_error' },
      '/v1beta/models/gemini-flash:generateContent': { code: 401, status: 'UNAUTHENTICATED' },
    };
    expect(error).toMatchObject({
      message: expect.stringContaining('not valid here'),
      ...(shapes[path] ?? { code: 'invalid_token' }),
    });
    expect(JSON.stringify(error)).not.toContain('elsewhere');
    expect(upstream.requests).toHaveLength(0);
    const record = await lastRecord(1);
    expect(record).toMatchObject({ errorCode: 'invalid_token', outcome: 'refused', attempts: [] });
    expect([record?.key, record?.team, record?.user]).toEqual([undefined, undefined, undefined]);
  });

  it('counts as a failed key does: one count for each address, whatever it fails with', async () => {
    const { provider, answer } = await start();
    const bad = bearer(await provider.sign({ claims: { aud: 'elsewhere' } }));
    const from = (remoteAddress: string) => ({ remoteAddress });
    for (let failures = 0; failures < 15; failures++) {
      expect(await answer(bad, undefined, from('192.0.2.1'))).toEqual([401, 'invalid_token']);
      expect(await answer(bearer('hg_live_nonsense'), undefined, from('192.0.2.1'))).toEqual([
        401,
        'invalid_api_key',
      ]);
    }
    for (const headers of [bad, bearer('hg_live_nonsense')]) {
      expect(await answer(headers, undefined, from('192.0.2.1'))).toEqual([429, 'too_many_failed_keys']);
      expect(await answer(headers, undefined, from('192.0.2.2'))).toMatchObject([401, expect.any(String)]);
    }
    const good = [bearer(people.ada.key), bearer(await provider.sign())];
    for (const headers of good) expect(await answer(headers, undefined, from('192.0.2.1'))).toBe(200);
    provider.runtime.advance(60_000);
    expect(await answer(bad, undefined, from('192.0.2.1'))).toEqual([401, 'invalid_token']);
  });
});

describe('a request with two identities', () => {
  it('is refused when both stand where a key may stand, and nobody is on record', async () => {
    const { provider, answer, lastRecord } = await start();
    const both = { ...bearer(await provider.sign()), 'x-api-key': people.rita.key };
    expect(await answer(both)).toEqual([400, 'ambiguous_credentials']);
    const record = await lastRecord(1);
    expect([record?.errorCode, record?.key, record?.team]).toEqual([
      'ambiguous_credentials',
      undefined,
      undefined,
    ]);
  });

  it('is of the one in x-headgate-key, be it a key or a token, and the other is neither looked at nor sent on', async () => {
    const { provider, answer, gateway, upstream } = await start();
    const token = await provider.sign();
    const stranger = await provider.sign({ claims: { aud: 'elsewhere' } });
    expect(await answer({ ...bearer(token), 'x-headgate-key': people.rita.key })).toBe(200);
    expect(await answer({ ...bearer(stranger), 'x-headgate-key': people.rita.key })).toBe(200);
    expect(await answer({ ...bearer(people.rita.key), 'x-headgate-key': token })).toBe(200);
    expect(await answer({ ...bearer(people.rita.key), 'x-headgate-key': stranger })).toEqual([
      401,
      'invalid_token',
    ]);
    await until(() => gateway.records.length === 4);
    expect(gateway.records.map(({ team }) => team)).toEqual(['research', 'research', 'payments', undefined]);
    expect(new Set(upstream.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer sk-upstream-openai']),
    );
  });

  it('is of the first way that knows it, in the order of the configuration, before the keys', async () => {
    const sessions = createHostIdentity(({ host }) => host as HostFacts | undefined);
    const { provider, answer, gateway } = await start(undefined, { identities: [sessions] });
    const host = { host: { id: 'session-1', team: 'research', user: 'hans' } };
    expect(await answer(bearer(await provider.sign()), undefined, host)).toBe(200);
    expect(await answer(bearer('hg_live_nonsense'), undefined, host)).toBe(200);
    expect(await answer(bearer(await provider.sign()))).toBe(200);
    expect(await answer(bearer(people.rita.key))).toBe(200);
    await until(() => gateway.records.length === 4);
    expect(gateway.records.map(({ user }) => user)).toEqual(['hans', 'hans', 'ada-4711', 'rita']);
    expect(gateway.records[0]).toMatchObject({ key: 'host:session-1', team: 'research' });
  });
});

it('a key in the query is refused of callers, too, whom the application knows', async () => {
  const sessions = createHostIdentity(({ host }) => host as HostFacts | undefined);
  const { gateway, upstream } = await start(undefined, { identities: [sessions] });
  const reply = await gateway.handle({
    method: 'GET',
    path: '/v1/models',
    query: 'key=AIza-of-my-own',
    headers: {},
    signal: new AbortController().signal,
    host: { id: 'session-1', team: 'research' },
    readBody: async () => new Uint8Array(0),
  });
  expect(reply?.status).toBe(400);
  expect(upstream.requests).toHaveLength(0);
});

describe('a function of the host application', () => {
  const withHost = (find: () => HostFacts | undefined | Promise<HostFacts>, options: GatewayOptions = {}) =>
    start(undefined, { identities: [createHostIdentity(find)], ...options });

  it('says who calls, with what narrows it, at once or later', async () => {
    const facts: HostFacts = {
      id: 'tenant-7',
      team: 'research',
      project: 'mars',
      application: 'crawler',
      labels: { plan: 'gold' },
      models: ['gpt-4*'],
      limits: [{ unit: 'requests', amount: 2, window: '1d' }],
    };
    const { answer, lastRecord } = await withHost(async () => facts);
    expect([await answer({}), await answer({}, 'gpt-alias'), await answer({})]).toEqual([
      200,
      [404, 'model_not_found'],
      200,
    ]);
    expect(await answer({})).toEqual([402, 'insufficient_quota']);
    expect(await lastRecord(4)).toMatchObject({
      key: 'host:tenant-7',
      team: 'research',
      project: 'mars',
      application: 'crawler',
      labels: { plan: 'gold' },
    });
  });

  it('that fails is 503, one that refuses says how, one that is wrong is 500 and its author is told', async () => {
    const broken = await withHost(() => {
      throw new Error('sessions are down');
    });
    expect(await broken.answer(bearer(people.ada.key))).toEqual([503, 'identity_unavailable']);
    const refusing = await withHost(() => {
      throw new GatewayError('not_permitted', 'This tenant is suspended.');
    });
    expect(await refusing.answer({})).toEqual([403, 'not_permitted']);
    const errors: unknown[] = [];
    const wrong = await withHost(() => ({ id: 'tenant-7', team: '' }), {
      onError: (error) => errors.push(error),
    });
    expect(await wrong.answer({})).toEqual([500, 'internal_error']);
    expect(String(errors[0])).toContain('"team"');
    for (const { upstream } of [broken, refusing, wrong]) expect(upstream.requests).toHaveLength(0);
  });

  it('that knows nobody leaves it to the keys', async () => {
    const { answer } = await withHost(() => undefined);
    expect([await answer(bearer(people.ada.key)), await answer({})]).toEqual([200, [401, 'missing_key']]);
  });
});

describe('who pays for a caller with a token', () => {
  it('is the caller itself with passthrough: the token in x-headgate-key, its own beside it, and never the same one', async () => {
    const { provider, call, upstream } = await start((config) => ({
      ...config,
      profiles: { standard: { billing: 'passthrough' }, wide: {} },
    }));
    const token = await provider.sign();
    const ask = async (headers: HeaderMap) =>
      (await call({ ...anthropic.headers, ...headers }, '/v1/messages', message())).status;
    expect(await ask({ ...bearer('sk-ant-oat01-ada'), 'x-headgate-key': token })).toBe(200);
    expect(await ask({ ...bearer(token), 'x-headgate-key': token })).toBe(401);
    expect(await ask(bearer(token))).toBe(401);
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk-ant-oat01-ada',
    ]);
  });

  it('is the user with byok, by the claim that names it', async () => {
    const vault = createVault({ store: createMemorySecretStore(), ring: createRing() });
    onTestFinished(() => vault.close());
    await vault.put({
      id: 'ada',
      provider: 'openai',
      scope: 'user',
      subject: 'ada@acme.example',
      text: 'sk-ada',
    });
    await vault.load();
    const { provider, answer, upstream } = await start(
      (config) => ({ ...config, profiles: { standard: { billing: 'byok' }, wide: {} } }),
      { vault, jwt: { userClaim: 'email' } },
    );
    const ada = { email: 'ada@acme.example', email_verified: true };
    expect(await answer(bearer(await provider.sign({ claims: ada })))).toBe(200);
    expect(upstream.requests[0]?.headers.authorization).toBe('Bearer sk-ada');
    const bob = { email: 'bob@acme.example', email_verified: true };
    expect(await answer(bearer(await provider.sign({ claims: bob })))).toEqual([403, 'not_permitted']);
    expect(await answer(bearer(await provider.sign({ claims: { ...ada, email_verified: false } })))).toEqual([
      401,
      'invalid_token',
    ]);
  });
});

describe('the ways to find out who calls', () => {
  it('are closed with the gateway', async () => {
    let closed = 0;
    const identity: Identity = { name: 'own', identify: () => undefined, close: () => void closed++ };
    const { gateway } = await start(undefined, { identities: [identity] });
    await gateway.close({ drainMs: 1 });
    expect(closed).toBe(1);
  });
});
