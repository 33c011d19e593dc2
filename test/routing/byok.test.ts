import {
  createKeyEncryptionRing,
  createMemorySecretStore,
  createVault,
  type GatewayConfig,
  type NewSecret,
} from 'headgate';
import type { FailOptions } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, makeKey, readJson, readText, startGateway, until } from '../harness.ts';
import { createRing, createService } from '../secrets/fixture.ts';
import { anthropic, message } from '../stages/limited-gateway.ts';

const people = {
  ada: makeKey('payments', { owner: 'ada', project: 'checkout' }),
  bob: makeKey('payments', { owner: 'bob', project: 'checkout' }),
  carol: makeKey('payments', { owner: 'carol', project: 'refunds' }),
  nobody: makeKey('payments'),
};
type Person = keyof typeof people;

const own = (scope: 'user' | 'project', subject: string, provider = 'openai', text?: string): NewSecret => ({
  id: `${provider}-${scope}-${subject}`,
  provider,
  scope,
  subject,
  text: text ?? `sk-${provider}-${scope}-${subject}`,
});

/** A route that asks with the caller's own key first, and with the gateway's behind it. */
const ownThenGateways: NonNullable<GatewayConfig['routes']> = [
  {
    name: 'own-first',
    strategy: 'order',
    targets: [
      { provider: 'openai', billing: 'byok' },
      { provider: 'openai', billing: 'standard' },
    ],
  },
];

/** A gateway whose profile is paid with own keys, and a vault with these. */
async function start(
  secrets: readonly NewSecret[],
  change: (config: GatewayConfig, url: string) => GatewayConfig = (config) => config,
  ring = createRing(),
) {
  const store = createMemorySecretStore();
  const vault = createVault({ store, ring });
  onTestFinished(() => vault.close());
  for (const secret of secrets) await vault.put(secret);
  await vault.load();
  const started = await startGateway(
    (config, url) =>
      change(
        {
          ...config,
          profiles: { standard: { billing: 'byok' } },
          keys: Object.values(people).map(({ record }) => record),
        },
        url,
      ),
    { vault },
  );
  const { upstream, send } = started;
  const ask = (who: Person, model = 'gpt-4.1') =>
    send('/v1/chat/completions', chat({ model }), { key: people[who].key });
  /** What the provider was sent, or the status and code of the refusal. */
  const sent = async (who: Person, model?: string): Promise<unknown> => {
    const before = upstream.requests.length;
    const reply = await ask(who, model);
    const { error } = await readJson(reply);
    if (error) return [reply.status, error.code];
    return upstream.requests.slice(before).map(({ headers }) => headers.authorization);
  };
  return { ...started, store, vault, ask, sent };
}

describe('a profile that is paid with own keys', () => {
  it("sends the user's key, else the project's, else nothing at all", async () => {
    const { sent, upstream, gateway, ask } = await start([
      own('user', 'ada'),
      own('project', 'checkout'),
      own('user', 'carol', 'anthropic'),
      // ones of others, and of the gateway itself
      own('project', 'elsewhere'),
      { id: 'openai-main', provider: 'openai', text: 'sk-gateway' },
    ]);
    expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada']);
    expect(await sent('bob')).toEqual(['Bearer sk-openai-project-checkout']);
    const count = upstream.requests.length;
    expect(await sent('carol')).toEqual([403, 'not_permitted']);
    expect(await sent('nobody')).toEqual([403, 'not_permitted']);
    expect((await readJson(await ask('carol'))).error.message).toMatch(/registered one for openai\. Ask/);
    expect(upstream.requests).toHaveLength(count);
    await until(() => gateway.records.length === 5);
    expect(
      gateway.records.map(({ billing, attempts, status }) => [status, billing, attempts[0]?.target]),
    ).toEqual([
      [200, 'byok', 'openai/gpt-4.1#byok:openai-user-ada'],
      [200, 'byok', 'openai/gpt-4.1#byok:openai-project-checkout'],
      [403, undefined, undefined],
      [403, undefined, undefined],
      [403, undefined, undefined],
    ]);
  });

  it('leaves out targets whose provider the caller has no key for, and falls back among the others alone', async () => {
    const spare = (config: GatewayConfig, url: string): GatewayConfig => ({
      ...config,
      providers: {
        ...config.providers,
        spare: { type: 'openai', apiKey: 'sk-spare', baseUrl: `${url}/v1` },
        third: { type: 'openai', apiKey: 'sk-third', baseUrl: `${url}/v1` },
      },
      models: { ...config.models, 'gpt-4.1': { targets: ['spare', 'openai', 'third'] } },
    });
    const { sent, upstream } = await start(
      [own('user', 'ada'), own('user', 'bob', 'spare'), own('user', 'bob', 'third')],
      spare,
    );
    expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada']);
    upstream.fail({ kind: 'status', status: 503 }, { times: 1 });
    expect(await sent('bob')).toEqual(['Bearer sk-spare-user-bob', 'Bearer sk-third-user-bob']);
  });

  it('is told 403 where there is no vault, and 503 while a vault has not read its store', async () => {
    const change = (config: GatewayConfig): GatewayConfig => ({
      ...config,
      profiles: { standard: { billing: 'byok' } },
    });
    const without = await startGateway(change);
    expect((await without.send('/v1/chat/completions', chat())).status).toBe(403);
    const vault = createVault({ store: createMemorySecretStore(), ring: createRing() });
    onTestFinished(() => vault.close());
    const unread = await startGateway(change, { vault });
    const reply = await unread.send('/v1/chat/completions', chat());
    expect([reply.status, (await readJson(reply)).error.code]).toEqual([503, 'no_target_available']);
    expect(without.upstream.requests.length + unread.upstream.requests.length).toBe(0);
  });

  it.each(['byok', 'standard'] as const)('is what the nearest level says: %s', async (billing) => {
    const { sent } = await start([own('project', 'checkout')], (config) => ({
      ...config,
      profiles: { standard: { billing: billing === 'byok' ? 'standard' : 'byok' } },
      projects: { checkout: { team: 'payments', billing }, refunds: { team: 'payments' } },
    }));
    const bearer = billing === 'byok' ? 'sk-openai-project-checkout' : 'sk-upstream-openai';
    expect(await sent('bob')).toEqual([`Bearer ${bearer}`]);
  });

  it('pays counts of tokens and batches, from their making to their results', async () => {
    const { send, upstream, gateway } = await start([own('user', 'ada', 'anthropic')]);
    const as = { ...anthropic, key: people.ada.key };
    const params = message();
    const { max_tokens: _, ...counted } = params;
    expect((await send('/v1/messages/count_tokens', counted, as)).status).toBe(200);
    const requests = [{ custom_id: 'a', params }];
    const { id } = await readJson(await send('/v1/messages/batches', { requests }, as));
    const path = `/v1/messages/batches/${id}`;
    expect((await readJson(await send(path, undefined, as))).processing_status).toBe('ended');
    expect(await readText(await send(`${path}/results`, undefined, as))).toContain('"custom_id":"a"');
    expect(upstream.requests.map(({ headers }) => headers['x-api-key'])).toEqual(
      Array(4).fill('sk-anthropic-user-ada'),
    );
    expect((await send(path, undefined, { ...anthropic, key: people.bob.key })).status).toBe(403);
    await until(() => gateway.records.length === 5);
    expect(gateway.records.map(({ billing }) => billing)).toEqual([...Array(4).fill('byok'), undefined]);
  });

  it('counts money against limits, for the team pays it', async () => {
    const { ask } = await start([own('project', 'checkout')], (config) => ({
      ...config,
      models: { 'gpt-4.1': { targets: ['openai'], price: { input: 2, output: 8 } } },
      teams: { payments: { profile: 'standard', limits: [{ unit: 'usd', amount: 0, window: '1d' }] } },
    }));
    const { error } = await readJson(await ask('bob'));
    expect([error.code, error.message]).toEqual(['request_too_costly', expect.stringMatching(/\$/)]);
  });

  it.each(['byok', 'standard'] as const)(
    'is told who paid by the record, where a target is asked with the key of another payer (profile: %s)',
    async (billing) => {
      const { sent, upstream, gateway } = await start([own('user', 'ada')], (config) => ({
        ...config,
        profiles: { standard: { billing } },
        routes: ownThenGateways,
      }));
      await sent('ada');
      upstream.fail({ kind: 'status', status: 429, reason: 'insufficient_quota' }, { times: 1 });
      expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada', 'Bearer sk-upstream-openai']);
      await until(() => gateway.records.length === 2);
      expect(gateway.records.map((record) => [record.target, record.billing])).toEqual([
        ['openai/gpt-4.1', 'byok'],
        ['openai/gpt-4.1', 'standard'],
      ]);
    },
  );

  it('is asked for by the refusal where no target can be paid for otherwise', async () => {
    const { ask } = await start([], (config) => ({
      ...config,
      routes: [{ name: 'own', strategy: 'order', targets: [{ provider: 'openai', billing: 'byok' }] }],
    }));
    const reply = await ask('ada');
    expect([reply.status, (await readJson(reply)).error.message]).toEqual([
      403,
      expect.stringContaining('a key of your own'),
    ]);
  });

  it('is explained as it is decided', async () => {
    const { gateway, sent } = await start([own('user', 'ada')]);
    const explain = (who: Person) =>
      gateway.explain({
        method: 'POST',
        path: '/v1/chat/completions',
        query: '',
        headers: { authorization: `Bearer ${people[who].key}`, 'content-type': 'application/json' },
        signal: new AbortController().signal,
        readBody: async () => new TextEncoder().encode(JSON.stringify(chat())),
      });
    const found = await explain('ada');
    expect(found.plan?.map(({ target }) => target)).toEqual(['openai/gpt-4.1#byok:openai-user-ada']);
    expect(JSON.stringify(found)).not.toContain('sk-openai-user-ada');
    expect((await explain('carol')).refusal).toMatchObject({ code: 'not_permitted', status: 403 });
    expect(await sent('carol')).toEqual([403, 'not_permitted']);
  });
});

describe('an own key that cannot pay', () => {
  it("does not open: 503, and neither the project's nor the gateway's is used", async () => {
    const { store, vault, sent, upstream } = await start([own('project', 'checkout')]);
    const strangers = createKeyEncryptionRing({
      current: 'lost',
      keys: { lost: new Uint8Array(32).fill(1) },
    });
    const stranger = createVault({ store, ring: strangers });
    await stranger.put(own('user', 'ada'));
    await vault.refresh();
    expect(await sent('ada')).toEqual([503, 'no_target_available']);
    expect(upstream.requests).toHaveLength(0);
    expect(await sent('bob')).toEqual(['Bearer sk-openai-project-checkout']);
    await stranger.remove('openai-user-ada');
    await vault.refresh();
    expect(await sent('ada')).toEqual(['Bearer sk-openai-project-checkout']);
  });

  it('is refused by the provider: who pays is told, once, and nobody else pays', async () => {
    const { ask, upstream, gateway } = await start([own('user', 'ada'), own('project', 'checkout')]);
    upstream.fail({ kind: 'status', status: 401 });
    const reply = await ask('ada');
    const { error } = await readJson(reply);
    expect([reply.status, error.code]).toEqual([502, 'upstream_rejected_credential']);
    expect(error.message).toMatch(/the key of your own/);
    expect(upstream.requests).toHaveLength(1);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ billing: 'byok', outcome: 'failed' });
  });

  it('is opened by a key service: the first request waits for it, and a service that is away is 503', async () => {
    const service = createService();
    const ring = createKeyEncryptionRing({ current: 'kms', keys: { kms: service } });
    const { sent } = await start([own('user', 'ada'), own('user', 'bob')], undefined, ring);
    const thaw = service.gate.freeze();
    const waiting = sent('ada');
    await until(() => service.calls.unwrap > 0);
    thaw();
    expect(await waiting).toEqual(['Bearer sk-openai-user-ada']);
    expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada']);
    service.gate.break();
    expect(await sent('bob')).toEqual([503, 'no_target_available']);
    expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada']);
  });
});

describe('an own key that is changed', () => {
  it('pays the next request with its new text', async () => {
    const { vault, sent } = await start([own('user', 'ada')]);
    expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada']);
    await vault.put(own('user', 'ada', 'openai', 'sk-rotated'));
    expect(await sent('ada')).toEqual(['Bearer sk-rotated']);
  });

  it('pays the next attempt of a request that runs with its new text', async () => {
    const { vault, sent, upstream } = await start([own('user', 'ada')], (config) => ({
      ...config,
      retry: { minBackoffMs: 100, maxBackoffMs: 100 },
    }));
    let rotated: Promise<unknown> | undefined;
    upstream.fail(() => {
      if (rotated) return undefined;
      rotated = vault.put(own('user', 'ada', 'openai', 'sk-rotated'));
      return { kind: 'status', status: 503 };
    });
    expect(await sent('ada')).toEqual(['Bearer sk-openai-user-ada', 'Bearer sk-rotated']);
  });

  it("pays no further attempt once it was removed, and the project's does not take over in the middle", async () => {
    const { vault, sent, upstream } = await start(
      [own('user', 'ada'), own('project', 'checkout')],
      (config) => ({
        ...config,
        retry: { minBackoffMs: 100, maxBackoffMs: 100 },
      }),
    );
    let removed: Promise<unknown> | undefined;
    upstream.fail(() => {
      removed ??= vault.remove('openai-user-ada');
      return { kind: 'status', status: 503 };
    });
    expect(await sent('ada')).toEqual([503, 'no_target_available']);
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk-openai-user-ada',
    ]);
    await removed;
    upstream.reset();
    expect(await sent('ada')).toEqual(['Bearer sk-openai-project-checkout']);
  });
});

describe("one payer's trouble", () => {
  it('opens no breaker and begins no cool-down for another', async () => {
    const { ask, sent, upstream } = await start([own('user', 'ada'), own('user', 'bob')], (config) => ({
      ...config,
      breaker: { volumeThreshold: 2, errorThresholdPercentage: 50 },
      retry: { maxAttempts: 1, maxBackoffMs: 5 },
    }));
    const isAda: FailOptions = { when: ({ headers }) => `${headers.authorization}`.includes('ada') };
    upstream.fail({ kind: 'status', status: 500 }, { times: 2, ...isAda });
    expect([(await ask('ada')).status, (await ask('ada')).status]).toEqual([502, 502]);
    expect(await sent('ada')).toEqual([503, 'no_target_available']);
    expect(await sent('bob')).toEqual(['Bearer sk-openai-user-bob']);

    const cooling = await start([own('user', 'ada'), own('user', 'bob')]);
    cooling.upstream.fail(
      { kind: 'status', status: 429, headers: { 'retry-after': '600' } },
      { times: 1, ...isAda },
    );
    expect((await cooling.ask('ada')).status).toBe(429);
    expect(await cooling.sent('ada')).toEqual([429, 'rate_limit_exceeded']);
    expect(await cooling.sent('bob')).toEqual(['Bearer sk-openai-user-bob']);
    expect(cooling.upstream.requests).toHaveLength(2);
  });
});
