import { afterEach, describe, expect, it } from 'vitest';
import { createRuntime, type Runtime } from '../../src/runtime.ts';
import { toRedisLayout } from '../../src/stores/redis/layout.ts';
import { createRedisLink, type RedisLink } from '../../src/stores/redis/link.ts';
import { toOpenRedis } from '../../src/stores/redis/open-redis.ts';
import { RedisStoreError } from '../../src/stores/redis/redis-error.ts';
import type { RedisStoresOptions } from '../../src/stores/redis/redis-stores.ts';
import { createScriptRunner } from '../../src/stores/redis/script.ts';
import { putRecord } from '../../src/stores/redis/scripts.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { eventually, noDeadlineMs } from '../eventually.ts';
import { startFaultProxy } from '../servers/fault-proxy.ts';
import { startRedis } from '../servers/redis.ts';
import { type ClientLibrary, newInstallation, storesOf, within } from './redis-fixture.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function setUp(library: ClientLibrary, options: RedisStoresOptions = {}) {
  const server = await startRedis({ own: true });
  const proxy = await startFaultProxy(server.url);
  const installation = newInstallation();
  const open = (url: string): Stores => {
    const stores = storesOf(library, url, { installation, ...options });
    ends.push(stores.close);
    return stores;
  };
  ends.push(server.stop, proxy.close);
  /** Another node, whose calls may take as long as they like. */
  const openPatient = (): Stores => {
    const stores = storesOf(library, server.url, { installation });
    ends.push(stores.close);
    return stores;
  };
  return { server, proxy, open, openPatient, meta: `headgate:{${installation}}:meta` };
}

const version = (number: number) => ({
  ...sampleRecord('Aa0000000001'),
  version: number,
  last4: `000${number}`,
});
const isEvalsha = (chunk: Buffer) => chunk.includes('EVALSHA');

const codeOf = (act: () => Promise<unknown>): Promise<string> =>
  act().then(
    () => 'ok',
    (error: RedisStoreError) => error.code,
  );

describe.each(['ioredis', 'redis'] as const)('a Redis that does not answer, through %s', (library) => {
  it('costs every look-up its deadline and no more, opens few connections, and is used again when it answers', async () => {
    // connecting may take so long that a look-up which waits for it is noticed
    const deadlines = { readDeadlineMs: 250, writeDeadlineMs: 1_000, connectDeadlineMs: 60_000 };
    const { server, proxy, open, openPatient } = await setUp(library, deadlines);
    const stores = open(proxy.url);
    await openPatient().keys.putKey(version(1), 0);
    await eventually(async () => expect((await stores.keys.findKey('Aa0000000001'))?.version).toBe(1));
    await server.freeze();
    const acceptedBefore = proxy.accepted;
    for (let round = 0; round < 12; round++) {
      // each ends while it is frozen still
      const startMs = performance.now();
      const looked = await Promise.all(
        Array.from({ length: 50 }, () => codeOf(() => stores.keys.findKey('Aa0000000001'))),
      );
      for (const code of looked) expect(['late', 'unreachable', 'lost']).toContain(code);
      expect(performance.now() - startMs).toBeLessThan(30_000);
    }
    expect(proxy.accepted - acceptedBefore).toBeLessThan(6);
    await server.thaw();
    const found = await eventually(() => stores.keys.findKey('Aa0000000001'));
    expect(found?.version).toBe(1);
  });

  it('is left for the one that its address leads to after a failover, though it keeps its connections', async () => {
    const { server, proxy, open } = await setUp(library);
    const next = await startRedis({ own: true });
    ends.push(next.stop);
    const [old, primary] = [await connectTo(server.url), await connectTo(next.url)];
    ends.push(old.close, primary.close);
    const isFollowing = (raw: typeof old) =>
      eventually(async () =>
        expect(String(await raw.send('INFO', 'replication'))).toContain('master_link_status:up'),
      );
    await primary.send('REPLICAOF', '127.0.0.1', new URL(server.url).port);
    await isFollowing(primary);
    const stores = open(proxy.url);
    expect(await stores.keys.putKey(version(1), 0)).toBe(true);
    await eventually(async () => expect(await primary.send('DBSIZE')).toEqual(await old.send('DBSIZE')));
    await primary.send('REPLICAOF', 'NO', 'ONE');
    await old.send('REPLICAOF', '127.0.0.1', new URL(next.url).port);
    await isFollowing(old);
    proxy.lead(next.url);
    expect(await codeOf(() => stores.keys.putKey(version(2), 1))).toBe('READONLY');
    await eventually(async () => expect(await stores.keys.putKey(version(2), 1)).toBe(true));
  });

  it('refuses at once what is more than may wait, and takes calls again when it answers', async () => {
    const { server, open } = await setUp(library, { maxOutstanding: 40, ...within(2_000) });
    const stores = open(server.url);
    expect(await stores.keys.findKey('Aa0000000001')).toBeNull();
    await server.freeze();
    const ended: string[] = [];
    const look = async () => void ended.push(await codeOf(() => stores.keys.findKey('Aa0000000001')));
    await Promise.all(Array.from({ length: 500 }, look));
    // at once is before any of those that wait has ended
    const refused = ended.findIndex((code) => code !== 'overloaded');
    expect(refused).toBeGreaterThanOrEqual(480);
    expect(ended.lastIndexOf('overloaded')).toBe(refused - 1);
    await server.thaw();
    await eventually(() => stores.keys.findKey('Aa0000000001'));
  });

  it('does not do a write any more whose caller was told that it failed', async () => {
    const { server, open, meta } = await setUp(library, within(2_000));
    const stores = open(server.url);
    await stores.keys.putKey(version(1), 0);
    await stores.config.appendVersion(sampleVersion('v1'), 0);
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    const raw = await connectTo(server.url);
    ends.push(raw.close);
    const stamp = await raw.send('HGET', meta, 'stamp');
    await server.freeze();
    // they lie in the server's buffer and are read when it goes on
    const writes = await Promise.all([
      codeOf(() => stores.keys.putKey(version(2), 1)),
      codeOf(() => stores.config.appendVersion(sampleVersion('v2'), 1)),
      codeOf(() => stores.secrets.removeSecret('openai', 1)),
    ]);
    // by the deadline of the call, or by that of the connection, which is as long: whichever timer is first
    for (const code of writes) expect(['late', 'lost']).toContain(code);
    await server.thaw();
    await eventually(() => stores.keys.findKey('Aa0000000001'));
    const evals = String(await raw.send('INFO', 'commandstats'));
    expect(
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(evals)?.[1]),
      'the writes reached it',
    ).toBeGreaterThanOrEqual(6);
    expect(await raw.send('HGET', meta, 'stamp')).toBe(stamp);
    expect((await stores.keys.findKey('Aa0000000001'))?.version).toBe(1);
    expect(await stores.config.readNumber()).toBe(1);
    expect((await stores.secrets.findSecret('openai'))?.version).toBe(1);
    // and the next ones are done
    expect(await stores.keys.putKey(version(2), 1)).toBe(true);
  });

  it('does a write that waits less than its deadline', async () => {
    const { server, open } = await setUp(library);
    const stores = open(server.url);
    await stores.keys.putKey(version(1), 0);
    await server.freeze();
    const writing = stores.keys.putKey(version(2), 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.thaw();
    expect(await writing).toBe(true);
  });
});

describe.each(['ioredis', 'redis'] as const)('a connection that breaks, through %s', (library) => {
  it('loses the answer to a write, and the write is done exactly once and said to be done', async () => {
    const { server, proxy, open, meta } = await setUp(library);
    const stores = open(proxy.url);
    const raw = await connectTo(server.url);
    ends.push(raw.close);
    // so that the clock is known and the scripts are loaded
    await stores.keys.putKey(version(1), 0);
    await stores.config.appendVersion(sampleVersion('v1'), 0);
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    await stores.secrets.removeSecret('openai', 1);
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    let stamp = Number(await raw.send('HGET', meta, 'stamp'));
    for (const [what, write, expected] of [
      ['putKey', () => stores.keys.putKey(version(2), 1), true],
      ['putSecret', () => stores.secrets.putSecret(sampleSecret('openai', { version: 2 }), 1), true],
      ['removeSecret', () => stores.secrets.removeSecret('openai', 2), true],
      ['appendVersion', () => stores.config.appendVersion(sampleVersion('v2'), 1), { number: 2 }],
      ['putKey that must lose', () => stores.keys.putKey(version(2), 1), false],
    ] as const) {
      const lost = proxy.loseAnswer(isEvalsha);
      const result = await write();
      await lost;
      if (typeof expected === 'object') expect(result, what).toMatchObject(expected);
      else expect(result, what).toBe(expected);
      const grown = Number(await raw.send('HGET', meta, 'stamp')) - stamp;
      expect(grown, `changes by ${what}`).toBe(expected === false ? 0 : 1);
      stamp += grown;
      // a connection that has just been made and is lost again is not replaced at once
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  });

  it('is replaced within the call, for reads', async () => {
    const { proxy, open } = await setUp(library);
    const stores = open(proxy.url);
    await stores.keys.putKey(version(1), 0);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const lost = proxy.loseAnswer((chunk) => chunk.includes('HGET'));
    expect((await stores.keys.findKey('Aa0000000001'))?.version).toBe(1);
    await lost;
  });
});

describe('a Redis that is slow', () => {
  it('answers many look-ups at once in the time of one, and none of them wrong', async () => {
    const { proxy, open } = await setUp('ioredis');
    const stores = open(proxy.url);
    await stores.keys.putKey(version(1), 0);
    proxy.delay(1_000);
    const startMs = performance.now();
    const found = await Promise.all(
      Array.from({ length: 200 }, (_, at) => stores.keys.findKey(at % 2 ? 'Aa0000000001' : 'Zz0000000009')),
    );
    // two seconds for all; forty at a time would take ten, and one by one seven minutes
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(found.map((record) => record?.version)).toEqual(
      Array.from({ length: 200 }, (_, at) => (at % 2 ? 1 : undefined)),
    );
    expect(proxy.accepted).toBe(1);
  });

  it('fails look-ups that it answers too late, and still does writes, over one connection', async () => {
    const { proxy, open } = await setUp('ioredis', { readDeadlineMs: 250 });
    const stores = open(proxy.url);
    await stores.keys.putKey(version(1), 0);
    proxy.delay(200);
    for (let round = 0; round < 6; round++) {
      expect(await codeOf(() => stores.keys.findKey('Aa0000000001'))).toBe('late');
    }
    expect(await stores.keys.putKey(version(2), 1)).toBe(true);
    expect(proxy.accepted).toBe(1);
    await proxy.heal();
    await eventually(() => stores.keys.findKey('Aa0000000001'));
  });

  it('is not taken for slow by a process that was busy itself', async () => {
    const inUse = createRuntime();
    // the time that is granted to what has come meanwhile: as long as a busy machine may need
    const schedule: Runtime['schedule'] = (ms, action) => inUse.schedule(ms > 100 ? ms : 30_000, action);
    const { server, open } = await setUp('ioredis', { readDeadlineMs: 250, runtime: { ...inUse, schedule } });
    const stores = open(server.url);
    await stores.keys.putKey(version(1), 0);
    const finding = stores.keys.findKey('Aa0000000001');
    const untilMs = performance.now() + 400;
    while (performance.now() < untilMs);
    expect((await finding)?.version).toBe(1);
  });
});

describe('a write', () => {
  it('is found done when the answer was lost and another writer was faster than the second try', async () => {
    const server = await startRedis();
    ends.push(server.stop);
    const runtime = createRuntime();
    const installation = newInstallation();
    const layout = toRedisLayout('headgate', installation);
    const other = storesOf('ioredis', server.url, { installation });
    const link = createRedisLink(toOpenRedis({ url: server.url }, noDeadlineMs), {
      runtime,
      connectDeadlineMs: noDeadlineMs,
      silenceMs: noDeadlineMs,
      maxOutstanding: 10,
    });
    ends.push(other.close, async () => link.close());
    let hasLost = false;
    const losing: RedisLink = {
      ...link,
      async command(deadlineMs, key, name, ...parameters) {
        const reply = await link.command(deadlineMs, key, name, ...parameters);
        // the third is the number of keys: the script for the clock has one
        if (!hasLost && name.startsWith('EVAL') && parameters[1] !== '1') {
          hasLost = true;
          await other.keys.putKey(version(2), 1);
          throw new RedisStoreError('lost');
        }
        return reply;
      },
    };
    const { meta, log, keys, keyIndex, keyUses, channel } = layout;
    const put = () =>
      createScriptRunner(losing, runtime).runWrite(
        putRecord,
        [meta, log, keys, keyIndex, keyUses],
        [
          '1',
          '100',
          channel,
          'keys',
          'Aa0000000001',
          '"Aa0000000001"',
          '0',
          '{"version":1,"index":[]}\n{}',
          '[]',
          '',
          '',
        ],
        noDeadlineMs,
      );
    expect(await put()).toBe(1);
    expect(hasLost).toBe(true);
    expect((await other.keys.findKey('Aa0000000001'))?.version).toBe(2);
    expect(await put(), 'another one, of the same text').toBe(0);
  });

  it('is done when the clock of the server was set or another server has taken over', async () => {
    const server = await startRedis();
    ends.push(server.stop);
    const runtime = createRuntime();
    let offMs = 0;
    // a clock of ours that runs ahead looks like one of the server's that was set back, and the other way round
    const drifting = { ...runtime, monotonicMs: () => runtime.monotonicMs() + offMs };
    const stores = storesOf('ioredis', server.url, { runtime: drifting, ...within(5_000) });
    ends.push(stores.close);
    await stores.keys.putKey(version(1), 0);
    offMs = -30_000;
    expect(await stores.keys.putKey(version(2), 1)).toBe(true);
    offMs = 40_000;
    expect(await stores.keys.putKey(version(3), 2)).toBe(true);
  });
});
