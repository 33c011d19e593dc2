import { once } from 'node:events';
import {
  ConfigError,
  createKeyEncryptionRing,
  createNoPepperRing,
  type Gateway,
  type GatewayConfig,
  type HeaderMap,
  type OpenGateway,
  type OpenGatewayOptions,
  openGateway,
  type Stores,
} from 'headgate';
import { createFakeUpstream, createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { administer, backends, countWatches, type Place, sendTo, withoutPush } from './backends.ts';
import { eventually } from './eventually.ts';
import { chat, readJson, readText, until } from './harness.ts';
import { runChild } from './stores/sqlite-fixture.ts';

const ring = () => createKeyEncryptionRing({ current: 'k1', keys: { k1: new Uint8Array(32).fill(7) } });

/** An installation with a gateway on one node and an operator on another. */
async function start(place: Place, options: Partial<OpenGatewayOptions> = {}) {
  const upstream = await createFakeUpstream({ chunkDelayMs: 5 });
  onTestFinished(() => upstream.close());
  const first = place.open();
  await first.migrate();
  const other = place.open();
  const secretKeys = ring();
  const operator = administer(other, secretKeys);
  const config = (models: string[] = ['gpt-4.1'], more: Partial<GatewayConfig> = {}): GatewayConfig => ({
    providers: {
      openai: { type: 'openai', apiKey: { store: 'openai-main' }, baseUrl: `${upstream.url}/v1` },
    },
    models: Object.fromEntries(models.map((name) => [name, { targets: ['openai'] }])),
    profiles: { standard: {} },
    teams: { web: { profile: 'standard' } },
    retry: { minBackoffMs: 1, maxBackoffMs: 5 },
    ...more,
  });
  await operator.secrets?.put({ id: 'openai-main', provider: 'openai', text: 'sk-first' });
  const { key, record } = await operator.keys.create({ team: 'web', owner: 'ada' }, 'ops');
  const errors: Error[] = [];
  const open = (stores: Stores = first, more: Partial<OpenGatewayOptions> = {}) =>
    openGateway({
      stores,
      secretKeys,
      peppers: createNoPepperRing(),
      pollMs: 60_000,
      onError: (error) => errors.push(error as Error),
      ...options,
      ...more,
    });
  return { upstream, first, other, operator, config, key, record, errors, open, secretKeys };
}

const bearer = (key: string): HeaderMap => ({ authorization: `Bearer ${key}` });

describe.each(Object.entries(backends))('a gateway over stores: %s', (_, createPlace) => {
  it('does not open without a configuration, nor with one that is not valid, and leaves nothing behind', async () => {
    const runtime = createVirtualRuntime();
    const { first, operator, config, open, errors } = await start(await createPlace(), { runtime });
    const watched = countWatches(first);
    await expect(open(watched.stores)).rejects.toThrow(/^The store has no configuration yet.*config apply/);
    await expect(open(watched.stores)).rejects.toThrow(TypeError);
    expect(watched.open()).toBe(0);
    // a read that was under way ends by itself
    await until(() => runtime.pending === 0);
    await operator.apply(config(['gpt-4.1'], { teams: { web: { profile: 'missing' } } }));
    const error = await open(watched.stores).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).issues[0]?.path).toBe('teams.web.profile');
    expect(watched.open()).toBe(0);
    // a read that was under way ends by itself
    await until(() => runtime.pending === 0);
    expect(errors).toEqual([]);
  });

  it('decides the next request by a version that another node stored, and the record names it', async () => {
    const { first, operator, config, open, key } = await start(await createPlace());
    await operator.apply(config());
    const gateway = await open(first);
    onTestFinished(() => gateway.close());
    const ask = async (model: string) =>
      (await sendTo(gateway, '/v1/chat/completions', chat({ model }), bearer(key))).status;
    expect([await ask('gpt-4.1'), await ask('gpt-5')]).toEqual([200, 404]);
    // told by push alone: the next poll is a minute away
    const { version } = await operator.apply(config(['gpt-5']));
    await until(() => gateway.following.number === 2);
    expect([await ask('gpt-4.1'), await ask('gpt-5')]).toEqual([404, 200]);
    await until(() => gateway.records.length === 4);
    expect(gateway.records.map(({ snapshot }) => snapshot)).toEqual([
      'config-1',
      'config-1',
      'config-2',
      'config-2',
    ]);
    expect(gateway.snapshot.version).toEqual(version);
    expect(gateway.snapshot.version).not.toHaveProperty('config');
  });

  it('finds a new version with its poll where the store tells of nothing', async () => {
    const { first, operator, config, open } = await start(await createPlace());
    await operator.apply(config());
    const gateway = await open(withoutPush(first), { pollMs: 20 });
    onTestFinished(() => gateway.close());
    await operator.apply(config(['gpt-5']));
    await until(() => gateway.following.number === 2);
    expect(gateway.snapshot.findModel('gpt-5')?.name).toBe('gpt-5');
  });

  it('reports a version that is not valid once, goes on with the last good one, and follows a rollback', async () => {
    const { first, operator, config, open, key, errors } = await start(await createPlace());
    await operator.apply(config());
    const gateway = await open(first, { pollMs: 20 });
    onTestFinished(() => gateway.close());
    const ask = async (model: string) =>
      (await sendTo(gateway, '/v1/chat/completions', chat({ model }), bearer(key))).status;
    await operator.apply(config(['gpt-4.1'], { teams: { web: { profile: 'missing' } } }));
    await until(() => errors.length > 0);
    const { checkedAtMs } = gateway.following;
    await until(() => gateway.following.checkedAtMs > checkedAtMs);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(ConfigError);
    expect([gateway.following.number, gateway.snapshot.id, await ask('gpt-4.1')]).toEqual([
      1,
      'config-1',
      200,
    ]);
    await operator.apply(config(['gpt-5']));
    await until(() => gateway.following.number === 3);
    expect([await ask('gpt-4.1'), await ask('gpt-5')]).toEqual([404, 200]);
    await operator.service.rollback(1, { author: 'ana' });
    await until(() => gateway.following.number === 4);
    expect([await ask('gpt-4.1'), await ask('gpt-5')]).toEqual([200, 404]);
    expect(gateway.snapshot.version?.message).toBe('rollback to version 1');
    expect(gateway.records.at(-1)?.snapshot).toBe('config-4');
    expect(errors).toHaveLength(1);
  });

  it('shares its limits with every gateway on the store, where the store keeps them, and gives back what it took', async () => {
    const { first, other, operator, config, open, key } = await start(await createPlace());
    const limits = [{ unit: 'requests', amount: 40, window: 'lifetime' }] as const;
    await operator.apply(config(['gpt-4.1'], { limits: [...limits] }));
    // exact however slow the machine is: nobody goes on without the store
    const patient = { leasing: { deadlineMs: 15_000 }, failure: { deadlineMs: 15_000 } };
    const gateways = [await open(first, { limits: patient }), await open(other, { limits: patient })];
    let closed = 0;
    onTestFinished(async () => {
      for (const gateway of gateways.slice(closed)) await gateway.close();
    });
    const ask = async (gateway: Gateway) =>
      (await sendTo(gateway, '/v1/chat/completions', chat(), bearer(key))).status;
    const shown = async (gateway: Gateway) =>
      (await readJson(await sendTo(gateway, '/headgate/limits', undefined, bearer(key)))).data[0];
    const statuses = await Promise.all(
      Array.from({ length: 120 }, (_, index) => ask(gateways[index % 2] as Gateway)),
    );
    const isShared = first.ledger !== undefined;
    expect(statuses.filter((status) => status === 200)).toHaveLength(isShared ? 40 : 80);
    const [one, two] = gateways as [OpenGateway, OpenGateway];
    if (isShared) expect(one.health().limits.leasing?.memoryDecisions).toBeDefined();
    await one.close();
    closed = 1;
    await until(() => two.records.length >= 60);
    await eventually(async () => expect(await shown(two)).toMatchObject({ used: 40, held: 0, remaining: 0 }));
  });

  it('does not open while the store is down, leaves nothing behind, and opens once it is back', async () => {
    const place = await createPlace();
    const runtime = createVirtualRuntime();
    const { first, operator, config, open, errors } = await start(place, { runtime });
    await operator.apply(config());
    const watched = countWatches(first);
    const mend = await place.breakFirst();
    await expect(open(watched.stores)).rejects.toThrow(Error);
    // also where no sealed secrets are read first
    await expect(openGateway({ stores: watched.stores, runtime })).rejects.toThrow(Error);
    await until(() => runtime.pending === 0);
    expect(watched.open()).toBe(0);
    await mend();
    errors.length = 0;
    const gateway = await eventually(() => open(watched.stores));
    expect(gateway.snapshot.id).toBe('config-1');
    await gateway.close();
  });

  it('goes on while the store is down: last good version, known keys for their time, 503 and never 401 for others', async () => {
    const place = await createPlace();
    const runtime = createVirtualRuntime();
    const { first, operator, config, open, key, errors } = await start(place, { runtime });
    await operator.apply(config());
    let reads = 0;
    const findKey: Stores['keys']['findKey'] = (kid) => {
      reads++;
      return first.keys.findKey(kid);
    };
    const gateway = await open({ ...first, keys: { ...first.keys, findKey } }, { pollMs: 2_000 });
    onTestFinished(() => gateway.close());
    const unknown = (await operator.keys.create({ team: 'web' }, 'ops')).key;
    const ask = async (shown: string) => {
      const reply = await sendTo(gateway, '/v1/chat/completions', chat(), bearer(shown));
      const { error } = await readJson(reply);
      return error ? [reply.status, error.code, reply.headers['retry-after']] : reply.status;
    };
    // the watch begins with "anything may have changed", and what was read before that is not kept
    await eventually(async () => {
      const before = reads;
      expect([await ask(key), reads]).toEqual([200, before]);
    });
    const mend = await place.breakFirst();
    expect(await ask(unknown)).toEqual([503, 'store_unavailable', '1']);
    expect(await ask('hg_live_nonsense')).toEqual([401, 'invalid_api_key', undefined]);
    await runtime.advanceAsync(2_000);
    await until(() => errors.length >= 2);
    // past the cache's time: the store must be asked, and cannot tell
    await runtime.advanceAsync(8_000);
    expect([await ask(key), gateway.following.number]).toEqual([200, 1]);
    await runtime.advanceAsync(53_000);
    expect(await ask(key)).toBe(200);
    // 5 s that a record is believed, and 60 s more while the store fails
    await runtime.advanceAsync(3_000);
    expect(await ask(key)).toEqual([503, 'store_unavailable', '1']);
    // one report each from what follows the configuration and from the vault, and whatever uses could not be noted
    const reports = errors.map(({ message }) => message);
    expect(reports.filter((message) => message.startsWith('The secret store'))).toHaveLength(1);
    await mend();
    await eventually(() => operator.apply(config(['gpt-4.1', 'gpt-5'])));
    await eventually(async () => {
      await runtime.advanceAsync(2_000);
      expect([await ask(key), await ask(unknown), gateway.following.number]).toEqual([200, 200, 2]);
    });
  });

  it('keeps what is in force when the store was emptied, and says so once', async () => {
    const runtime = createVirtualRuntime();
    const { first, operator, config, open, key, errors } = await start(await createPlace(), { runtime });
    await operator.apply(config(['gpt-5']));
    await operator.apply(config());
    const empty = (await createPlace()).open();
    await empty.migrate();
    let current: Stores['config'] = first.config;
    const stores: Stores = {
      ...first,
      config: {
        ...first.config,
        readNumber: () => current.readNumber(),
        readLatest: () => current.readLatest(),
      },
    };
    const gateway = await open(stores, { pollMs: 1_000 });
    onTestFinished(() => gateway.close());
    current = empty.config;
    for (let polls = 0; polls < 5; polls++) {
      await runtime.advanceAsync(1_000);
      await gateway.following.check();
    }
    expect(errors.map(({ message }) => message)).toEqual([
      'The store has version 0 of the configuration, and 2 is in force.',
    ]);
    expect(gateway.snapshot.id).toBe('config-2');
    expect((await sendTo(gateway, '/v1/chat/completions', chat(), bearer(key))).status).toBe(200);
  });

  it('sends the next attempt with a secret that another node has rotated', async () => {
    const { first, operator, config, open, key, upstream } = await start(await createPlace());
    await operator.apply(config());
    const gateway = await open(first);
    onTestFinished(() => gateway.close());
    const sent = async () => {
      await readText(await sendTo(gateway, '/v1/chat/completions', chat(), bearer(key)));
      return upstream.requests.at(-1)?.headers.authorization;
    };
    expect(await sent()).toBe('Bearer sk-first');
    await operator.secrets?.put({ id: 'openai-main', provider: 'openai', text: 'sk-second' });
    await eventually(async () => expect(await sent()).toBe('Bearer sk-second'));
    // also where the store tells of nothing
    const silent = await open(withoutPush(first), { pollMs: 20 });
    onTestFinished(() => silent.close());
    await operator.secrets?.put({ id: 'openai-main', provider: 'openai', text: 'sk-third' });
    await eventually(async () => {
      await readText(await sendTo(silent, '/v1/chat/completions', chat(), bearer(key)));
      expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer sk-third');
    });
  });

  it('ends a running stream under the version that it began with', async () => {
    const { first, operator, config, open, key, upstream } = await start(await createPlace());
    await operator.apply(config());
    const gateway = await open(first);
    onTestFinished(() => gateway.close());
    const body = chat({ stream: true });
    const reply = await sendTo(gateway, '/v1/chat/completions', body, bearer(key));
    const parts = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    const began = Buffer.from((await parts.next()).value ?? []).toString();
    // neither the model nor the provider nor its credential is there any more
    await operator.apply({
      ...config(['gpt-5']),
      providers: { other: { type: 'openai', apiKey: { env: 'PATH' }, baseUrl: `${upstream.url}/v1` } },
      models: { 'gpt-5': { targets: ['other'] } },
    });
    await until(() => gateway.following.number === 2);
    let rest = '';
    for (let part = await parts.next(); !part.done; part = await parts.next()) {
      rest += Buffer.from(part.value).toString();
    }
    expect(began + rest).toMatch(/data: \[DONE\]\s*$/);
    expect((await reply.outcome).kind).toBe('complete');
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ snapshot: 'config-1', outcome: 'complete', status: 200 });
  });

  it('leaves no timer, no watch and no connection to a provider when it is closed, twice at need', async () => {
    const runtime = createVirtualRuntime();
    const { first, operator, config, open, key, upstream } = await start(await createPlace(), { runtime });
    await operator.apply(config());
    const watched = countWatches(first);
    const gateway = await open(watched.stores);
    await readText(await sendTo(gateway, '/v1/chat/completions', chat(), bearer(key)));
    expect(watched.open()).toBe(3);
    await Promise.all([gateway.close(), gateway.close()]);
    expect(watched.open()).toBe(0);
    // a read that was under way ends by itself
    await until(() => runtime.pending === 0);
    const before = upstream.connections;
    expect((await sendTo(gateway, '/v1/chat/completions', chat(), bearer(key))).status).toBe(503);
    expect(upstream.connections).toBe(before);
    // the stores are the caller's, and go on
    expect(await first.config.readNumber()).toBe(1);
  });

  it('lets the process end once it is closed', async () => {
    const { source } = await createPlace();
    const upstream = await createFakeUpstream();
    onTestFinished(() => upstream.close());
    const child = runChild(`
      ${source.imports}
      import { createConfigService } from 'source:config/config-service.ts';
      import { createKeyService } from 'source:keys/key-service.ts';
      import { createNoPepperRing } from 'source:keys/no-pepper.ts';
      import { openGateway } from 'source:open-gateway.ts';
      import { createKeyEncryptionRing } from 'source:secrets/key-encryption-ring.ts';
      const stores = ${source.expression};
      await stores.migrate();
      const peppers = createNoPepperRing();
      await createConfigService({ store: stores.config, check: () => {} }).apply({
        providers: { openai: { type: 'openai', apiKey: { env: 'PATH' }, baseUrl: '${upstream.url}/v1' } },
        models: { 'gpt-4.1': { targets: ['openai'] } },
        profiles: { standard: {} },
        teams: { web: { profile: 'standard' } },
      }, { author: 'ana' });
      const { key } = await createKeyService({ store: stores.keys, peppers }).create({ team: 'web' }, 'ops');
      const secretKeys = createKeyEncryptionRing({ current: 'k1', keys: { k1: new Uint8Array(32) } });
      const gateway = await openGateway({ stores, peppers, secretKeys });
      const body = new TextEncoder().encode(JSON.stringify({ model: 'gpt-4.1', messages: [] }));
      const reply = await gateway.handle({
        method: 'POST', path: '/v1/chat/completions', query: '', signal: new AbortController().signal,
        headers: { 'content-type': 'application/json', authorization: 'Bearer ' + key },
        readBody: async () => body,
      });
      await gateway.close();
      await stores.close();
      console.log('closed ' + reply.status);`);
    const exit = once(child.process, 'exit');
    expect(await child.line()).toBe('closed 200');
    const closedAtMs = performance.now();
    expect((await exit)[0]).toBe(0);
    // what is left of timers and connections would hold it for a minute, or for good
    expect(performance.now() - closedAtMs).toBeLessThan(30_000);
  });
});

describe('a gateway over stores', () => {
  it('names an option that is out of range before it opens anything', async () => {
    const { first, open } = await start(await (backends.memory as () => Promise<Place>)());
    const watched = countWatches(first);
    for (const pollMs of [0, 1.5, -1, Number.NaN]) {
      await expect(open(watched.stores, { pollMs })).rejects.toThrow(/^openGateway: "pollMs"/);
    }
    expect(watched.open()).toBe(0);
  });
});
