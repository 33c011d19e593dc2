import { createKeyResolver, createNoPepperRing, openGateway, type Stores } from 'headgate';
import { createFakeUpstream, createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { issueKey } from '../../src/keys/issue-key.ts';
import { administer, backends, type Place, sendTo, withoutPush } from '../backends.ts';
import { patienceMs } from '../eventually.ts';
import { chat, readJson, until } from '../harness.ts';

/** The same stores, that tell no clock: time goes on for them, and stands still for the gateway. */
function withoutClock(stores: Stores): Stores {
  const { readClockMs: _, ...keys } = stores.keys;
  return { ...stores, keys };
}

/** A gateway whose clock stands still, so that nothing it has cached grows old, and an operator on another node. */
async function start(
  place: Place,
  change: (stores: Stores) => Stores = (stores) => stores,
  cache?: { readonly ttlMs: number; readonly negativeTtlMs: number; readonly retryMs: number },
) {
  const upstream = await createFakeUpstream();
  onTestFinished(() => upstream.close());
  const first = place.open();
  await first.migrate();
  const other = place.open();
  const operator = administer(other);
  await operator.apply({
    providers: { openai: { type: 'openai', apiKey: { env: 'PATH' }, baseUrl: `${upstream.url}/v1` } },
    models: { 'gpt-4.1': { targets: ['openai'] }, 'gpt-5': { targets: ['openai'] } },
    profiles: { standard: {} },
    teams: { web: { profile: 'standard' } },
  });
  const runtime = createVirtualRuntime({ now: Date.now() });
  const peppers = createNoPepperRing();
  const stores = withoutClock(change(first));
  const gateway = await openGateway({
    stores,
    peppers,
    runtime,
    ...(cache && { keyResolver: createKeyResolver({ store: stores.keys, peppers, runtime, cache }) }),
  });
  onTestFinished(() => gateway.close());
  /** 200, or the code that the record tells. */
  const ask = async (key: string, model = 'gpt-4.1'): Promise<number | string | undefined> => {
    // graces end by the wall clock, which all nodes share
    runtime.shiftClock(Math.max(0, Date.now() - runtime.now()));
    const headers = { authorization: `Bearer ${key}` };
    const reply = await sendTo(gateway, '/v1/chat/completions', chat({ model }), headers);
    await readJson(reply);
    const recordOf = () => gateway.records.find(({ id }) => id === reply.headers['x-request-id']);
    await until(() => recordOf() !== undefined);
    return reply.status === 200 ? 200 : recordOf()?.errorCode;
  };
  /** Asks until the answer is this one. Time passes for the stores, and for the gateway `stepMs` from one try to the next. */
  const eventually = async (answer: number | string, key: string, model?: string, stepMs = 0) => {
    const end = performance.now() + patienceMs;
    let last = await ask(key, model);
    while (last !== answer && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      runtime.advance(stepMs);
      last = await ask(key, model);
    }
    expect(last).toBe(answer);
  };
  /** A key that is stored nowhere yet, and what stores it. */
  const prepare = () => {
    const { key, record } = issueKey({ team: 'web' }, peppers, runtime);
    return { key, store: () => other.keys.putKey({ ...record, version: 1 }, 0) };
  };
  return { operator: operator.keys, runtime, ask, eventually, prepare };
}

describe.each(Object.entries(backends))('a key changed by another node: %s', (_, createPlace) => {
  it('is seen by push: created, narrowed, rotated, revoked, each while the answer before is cached', async () => {
    const { operator, ask, eventually, prepare } = await start(await createPlace());
    const made = prepare();
    expect(await ask(made.key)).toBe('invalid_key');
    await made.store();
    await eventually(200, made.key);

    const { key, record } = await operator.create({ team: 'web', owner: 'ada' }, 'ops');
    expect([await ask(key), await ask(key, 'gpt-5')]).toEqual([200, 200]);
    await operator.update(record.kid, { models: ['gpt-4*'] });
    await eventually('model_not_found', key, 'gpt-5');
    expect(await ask(key)).toBe(200);

    const { key: second } = await operator.rotate(record.kid);
    await eventually(200, second);
    expect(await ask(key)).toBe(200);
    const { key: third } = await operator.rotate(record.kid, { graceMs: 0 });
    await eventually('key_rotated', second);
    expect([await ask(third), await ask(key)]).toEqual([200, 'invalid_key']);

    await operator.revoke(record.kid);
    await eventually('revoked_key', third);
    expect(await ask(made.key)).toBe(200);
  });

  it('is seen within the time of the cache where the store tells of nothing: 5 s, and 1 s for a key that was not there', async () => {
    const { operator, runtime, ask, eventually, prepare } = await start(await createPlace(), withoutPush);
    const made = prepare();
    expect(await ask(made.key)).toBe('invalid_key');
    await made.store();
    runtime.advance(999);
    expect(await ask(made.key)).toBe('invalid_key');
    runtime.advance(1);
    expect(await ask(made.key)).toBe(200);

    const { key, record } = await operator.create({ team: 'web' }, 'ops');
    expect(await ask(key)).toBe(200);
    const { key: second } = await operator.rotate(record.kid, { graceMs: 0 });
    runtime.advance(3_999);
    expect([await ask(key), await ask(second)]).toEqual([200, 'invalid_key']);
    runtime.advance(1_001);
    expect([await ask(key), await ask(second)]).toEqual(['key_rotated', 200]);

    await operator.revoke(record.kid);
    runtime.advance(3_999);
    expect(await ask(second)).toBe(200);
    // in use, it is read anew in the background before its time is over
    runtime.advance(2);
    expect(await ask(second)).toBe(200);
    await eventually('revoked_key', second);
    runtime.advance(86_400_000);
    expect(await ask(second)).toBe('revoked_key');
  });
});

describe.each(['postgres', 'redis'])(
  'a key changed while the connection to the store is lost: %s',
  (name) => {
    it('is seen when the connection is back, though no time of the cache is over', async () => {
      const place = await (backends[name] as () => Promise<Place>)();
      const { operator, runtime, ask, eventually, prepare } = await start(place, undefined, {
        ttlMs: 3_600_000,
        negativeTtlMs: 3_600_000,
        retryMs: 10,
      });
      const { key, record } = await operator.create({ team: 'web' }, 'ops');
      const made = prepare();
      expect([await ask(key), await ask(made.key)]).toEqual([200, 'invalid_key']);
      const mend = await place.breakFirst();
      await operator.revoke(record.kid);
      await made.store();
      // known answers stand, and nothing else can be told
      const { key: other } = await operator.create({ team: 'web' }, 'ops');
      expect(await ask(other)).toBe('store_unavailable');
      await mend();
      // a read that fails is tried again after 10 ms of the gateway's time
      await eventually('revoked_key', key, undefined, 10);
      await eventually(200, made.key, undefined, 10);
      await eventually(200, other, undefined, 10);
      // sooner than the cache would have looked again by itself
      expect(runtime.monotonicMs()).toBeLessThan(600_000);
    });
  },
);
