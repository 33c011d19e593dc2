import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RedisStoresOptions } from '../../src/stores/redis/redis-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { eventually } from '../eventually.ts';
import { startFaultProxy } from '../servers/fault-proxy.ts';
import { startRedis } from '../servers/redis.ts';
import type { TestServer } from '../servers/test-server.ts';
import { type ClientLibrary, newInstallation, storesOf, within } from './redis-fixture.ts';
import { connectTo, type RawRedis } from './redis-raw.ts';

let server: TestServer;
let raw: RawRedis;
beforeAll(async () => {
  server = await startRedis({ own: true });
  raw = await connectTo(server.url);
});
afterAll(async () => {
  await raw.close();
  await server.stop();
});

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** So seldom that nothing in a test is seen by polling. */
const neverMs = 3_600_000;
const kidOf = (index: number) => `Kid${String(index).padStart(9, '0')}`;

function open(library: ClientLibrary, options: RedisStoresOptions, url = server.url): Stores {
  const stores = storesOf(library, url, options);
  ends.push(stores.close);
  return stores;
}

async function put(stores: Stores, index: number): Promise<string> {
  const version = ((await stores.keys.findKey(kidOf(index)))?.version ?? 0) + 1;
  expect(await stores.keys.putKey({ ...sampleRecord(kidOf(index)), version }, version - 1)).toBe(true);
  return kidOf(index);
}

/** Watches keys, and waits until the watch has begun. */
async function listen(stores: Stores) {
  const heard: (string | undefined)[] = [];
  ends.push(stores.keys.watchKeys((id) => void heard.push(id)));
  await eventually(() => expect(heard).toContain(undefined));
  return heard;
}

describe.each(['ioredis', 'redis'] as const)('changes, through %s', (library) => {
  it('are told to another node by message, each once and in order', async () => {
    const installation = newInstallation();
    const writer = open(library, { installation });
    const heard = await listen(open(library, { installation, pollMs: neverMs }));
    heard.length = 0;
    const kids: string[] = [];
    for (let index = 0; index < 100; index++) {
      kids.push(await put(writer, index));
      // by message: nothing is polled
      await eventually(() => expect(heard).toHaveLength(kids.length));
    }
    expect(heard).toEqual(kids);
  });

  it('are told only to who watches that kind', async () => {
    const installation = newInstallation();
    const stores = open(library, { installation });
    const heard: string[] = [];
    const note = (kind: string) => (id: string | undefined) => void heard.push(`${kind} ${id}`);
    ends.push(stores.keys.watchKeys(note('keys')));
    ends.push(stores.config.watchConfig!(note('config')));
    ends.push(stores.secrets.watchSecrets!(note('secrets')));
    await eventually(() => expect(heard).toHaveLength(3));
    heard.length = 0;
    await put(stores, 1);
    await stores.config.appendVersion(sampleVersion('v1'), 0);
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    await stores.secrets.removeSecret('openai', 1);
    await eventually(() =>
      expect(heard).toEqual([`keys ${kidOf(1)}`, 'config 1', 'secrets openai', 'secrets openai']),
    );
  });

  it('are told anew as anything after the connection that subscribes was killed, and by message from then on', async () => {
    const installation = newInstallation();
    const writer = open(library, { installation });
    const heard = await listen(open(library, { installation, pollMs: neverMs }));
    for (let round = 0; round < 3; round++) {
      heard.length = 0;
      await raw.send('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await eventually(() => expect(heard).toContain(undefined));
      heard.length = 0;
      const kid = await put(writer, round);
      await eventually(() => expect(heard).toEqual([kid]));
    }
  });

  it('are seen by polling, each by its name, where the user may not subscribe, and the operator is told once', async () => {
    const installation = newInstallation();
    const user = `no-channels-${installation}`;
    await raw.send('ACL', 'SETUSER', user, 'on', '>secret', 'allkeys', 'resetchannels', '+@all');
    const url = server.url.replace('redis://', `redis://${user}:secret@`);
    const warnings: string[] = [];
    const onWarning = (message: string) => void warnings.push(message);
    const writer = open(library, { installation });
    const heard = await listen(open(library, { installation, pollMs: 100, onWarning }, url));
    heard.length = 0;
    const kids = [await put(writer, 1), await put(writer, 2), await put(writer, 1)];
    await eventually(() => expect(heard).toEqual(kids));
    await eventually(() => expect(warnings.filter((text) => /may not subscribe/.test(text))).toHaveLength(1));
  });

  it('that were missed by the message are told by polling', async () => {
    const installation = newInstallation();
    const writer = open(library, { installation });
    const heard = await listen(open(library, { installation, pollMs: 100 }));
    heard.length = 0;
    // the same change without its message
    const meta = `headgate:{${installation}}:meta`;
    const kid = await put(writer, 1);
    await eventually(() => expect(heard).toEqual([kid]));
    const [entry] = (await raw.send('LRANGE', `headgate:{${installation}}:changes:log`, '0', '0')) as [
      string,
    ];
    const change = JSON.parse(entry) as { stamp: number };
    const missed = JSON.stringify({ ...change, stamp: change.stamp + 1, id: 'missed' });
    await raw.send('LPUSH', `headgate:{${installation}}:changes:log`, missed);
    await raw.send('HINCRBY', meta, 'stamp', '1');
    await eventually(() => expect(heard).toEqual([kid, 'missed']));
    const next = await put(writer, 2);
    await eventually(() => expect(heard).toEqual([kid, 'missed', next]));
  });

  it('that are more than the list of changes holds are told as anything', async () => {
    const installation = newInstallation();
    const writer = open(library, { installation, maxChanges: 5 });
    const heard = await listen(open(library, { installation, maxChanges: 5, pollMs: 100 }));
    const log = `headgate:{${installation}}:changes:log`;
    for (let index = 0; index < 12; index++) await put(writer, index);
    await eventually(() => expect(heard).toContain(kidOf(11)));
    expect(await raw.send('LLEN', log)).toBe(5);
    // changes whose messages were lost and which are not in the list any more, few and many
    for (const count of [2, 100]) {
      heard.length = 0;
      await raw.send('HINCRBY', `headgate:{${installation}}:meta`, 'stamp', String(count));
      await eventually(() => expect(heard).toEqual([undefined]));
    }
    heard.length = 0;
    const kid = await put(writer, 1);
    await eventually(() => expect(heard).toEqual([kid]));
  });

  it('are told as anything when the network had swallowed everything for a while', async () => {
    const installation = newInstallation();
    const proxy = await startFaultProxy(server.url);
    ends.push(proxy.close);
    const writer = open(library, { installation });
    const heard = await listen(open(library, { installation, pollMs: 100, ...within(300) }, proxy.url));
    proxy.stall();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    heard.length = 0;
    await proxy.heal();
    await eventually(() => expect(heard).toContain(undefined));
    heard.length = 0;
    const kid = await put(writer, 1);
    await eventually(() => expect(heard).toContain(kid));
  });

  it('harm nobody when a message on the channel is none of ours', async () => {
    const installation = newInstallation();
    const stores = open(library, { installation });
    const heard = await listen(open(library, { installation, pollMs: neverMs }));
    heard.length = 0;
    for (const text of ['', 'null', '[]', '{"stamp":"x"}', '{"stamp":99,"kind":"keys","id":"x"}', '\0']) {
      await raw.send('PUBLISH', `headgate:{${installation}}:changes`, text);
    }
    const kid = await put(stores, 1);
    await eventually(() => expect(heard).toContain(kid));
    expect(heard).not.toContain('x');
  });

  it('leave no connection behind when the watches have ended and the stores are closed', async () => {
    const count = async () =>
      String(await raw.send('CLIENT', 'LIST'))
        .trim()
        .split('\n').length;
    const before = await count();
    const stores = open(library, {});
    const unwatch = [stores.keys.watchKeys(() => {}), stores.config.watchConfig!(() => {})];
    await put(stores, 1);
    await eventually(async () => expect(await count()).toBe(before + 2));
    for (const end of unwatch) await end();
    await eventually(async () => expect(await count()).toBe(before + 1));
    await stores.close();
    await eventually(async () => expect(await count()).toBe(before));
    await expect(stores.keys.findKey('x')).rejects.toMatchObject({ code: 'closed' });
    await stores.keys.watchKeys(() => {})();
    expect(await count()).toBe(before);
  });
});

describe('a Redis that was emptied', () => {
  async function filled(options: RedisStoresOptions = {}) {
    const installation = newInstallation();
    const fresh = () => open('ioredis', { installation, pollMs: 100, ...options });
    const stores = fresh();
    await stores.migrate();
    await put(stores, 1);
    await stores.config.appendVersion(sampleVersion('v1'), 0);
    await stores.config.appendVersion(sampleVersion('v2'), 1);
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    const heard = await listen(stores);
    heard.length = 0;
    return { installation, fresh, stores, heard };
  }

  it('tells watchers, has no keys, and is never taken for one without configuration by who has seen one', async () => {
    const { fresh, stores, heard } = await filled();
    await stores.secrets.readSecretsStamp();
    await raw.send('FLUSHALL');
    await eventually(() => expect(heard).toContain(undefined));
    expect(await stores.keys.findKey(kidOf(1))).toBeNull();
    expect(await stores.keys.listKeys({})).toEqual([]);
    expect(await stores.secrets.findSecret('openai')).toBeNull();
    for (const act of [
      () => stores.config.readNumber(),
      () => stores.config.readLatest(),
      () => stores.config.listVersions(),
      () => stores.secrets.readSecretsStamp(),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: 'emptied' });
    }
    // who has seen nothing restores it, and all go on
    const other = fresh();
    expect(await other.config.readNumber()).toBe(0);
    heard.length = 0;
    await put(other, 1);
    expect(await other.config.appendVersion(sampleVersion('v1'), 0)).toMatchObject({ number: 1 });
    await other.secrets.putSecret(sampleSecret('openai'), 0);
    expect(await stores.config.readNumber()).toBe(1);
    await eventually(() => expect(heard.some((id) => id === undefined || id === kidOf(1))).toBe(true));
    heard.length = 0;
    await put(other, 2);
    await eventually(() => expect(heard).toContain(kidOf(2)));
  });

  it('has a stamp of secrets that goes on growing', async () => {
    const { stores } = await filled();
    const before = await stores.secrets.readSecretsStamp();
    await raw.send('FLUSHALL');
    await stores.secrets.putSecret(sampleSecret('openai'), 0);
    expect(await stores.secrets.readSecretsStamp()).toBeGreaterThan(before);
  });

  it('is noticed also when it was filled again before the next look', async () => {
    const { fresh, stores, heard } = await filled({ pollMs: neverMs });
    const other = fresh();
    await raw.send('FLUSHALL');
    // as many changes as before, so that the number alone tells nothing
    await put(other, 7);
    await eventually(() => expect(heard).toContain(undefined));
    expect(await stores.keys.findKey(kidOf(1))).toBeNull();
  });

  it('is not taken for one without configuration either when only part of it was evicted', async () => {
    for (const part of ['meta', 'config:infos', 'config:bodies']) {
      const { installation, fresh } = await filled();
      await raw.send('DEL', `headgate:{${installation}}:${part}`);
      await expect(fresh().config.readLatest(), part).rejects.toMatchObject({ code: 'EVICTED' });
      if (part === 'meta') {
        await expect(fresh().config.readNumber()).rejects.toMatchObject({ code: 'EVICTED' });
        await expect(fresh().config.appendVersion(sampleVersion('v1'), 0)).rejects.toMatchObject({
          code: 'EVICTED',
        });
      }
    }
  });

  it('is noticed when it was restarted without persistence', async () => {
    const { stores, heard } = await filled();
    await server.kill();
    await server.restart();
    await raw.close();
    raw = await connectTo(server.url);
    await eventually(() => expect(heard).toContain(undefined));
    await eventually(() => expect(stores.config.readNumber()).rejects.toMatchObject({ code: 'emptied' }));
    expect(await stores.keys.findKey(kidOf(1))).toBeNull();
  });
});
