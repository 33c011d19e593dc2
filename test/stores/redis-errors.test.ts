import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { toOpenRedis } from '../../src/stores/redis/open-redis.ts';
import { RedisStoreError } from '../../src/stores/redis/redis-error.ts';
import { createRedisStores, type RedisStoresOptions } from '../../src/stores/redis/redis-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { startRedis } from '../servers/redis.ts';
import { type ClientLibrary, newInstallation, storesOf } from './redis-fixture.ts';
import { connectTo } from './redis-raw.ts';
import { startRedisStub } from './redis-stub.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const started: typeof startRedis = async (options) => {
  const server = await startRedis(options);
  ends.push(server.stop);
  return server;
};
const opened = (library: ClientLibrary, url: string, options: RedisStoresOptions = {}): Stores => {
  const stores = storesOf(library, url, options);
  ends.push(stores.close);
  return stores;
};
const put = (stores: Stores) => stores.keys.putKey({ ...sampleRecord('Aa0000000001'), version: 1 }, 0);

async function errorOf(act: () => Promise<unknown>): Promise<RedisStoreError> {
  const error = await act().then(
    (value) => expect.fail(`must reject, and gave ${inspect(value)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RedisStoreError);
  return error as RedisStoreError;
}

describe.each(['ioredis', 'redis'] as const)('what Redis answers, through %s', (library) => {
  it.each([
    ['LOADING Redis is loading the dataset in memory', 'LOADING', /loading/],
    ["READONLY You can't write against a read only replica.", 'READONLY', /primary/],
    [
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      'MASTERDOWN',
      /primary/,
    ],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM', /maxmemory/],
    ['MISCONF Redis is configured to save RDB snapshots', 'MISCONF', /disk/],
    ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS', /replicas/],
    ['CLUSTERDOWN The cluster is down', 'CLUSTERDOWN', /cluster is down/],
    ['MOVED 3999 127.0.0.1:6381', 'MOVED', /cluster client/],
    ["CROSSSLOT Keys in request don't hash to the same slot", 'CROSSSLOT', /slots/],
    ['NOAUTH Authentication required.', 'NOAUTH', /password/],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'WRONGPASS', /password/],
    ["NOPERM this user has no permissions to run the 'hget' command", 'NOPERM', /docstring/],
    ['BUSY Redis is busy running a script.', 'BUSY', /script/],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONGTYPE', /Another program/],
    ["ERR The user executing the script can't run this command or subcommand", 'NOPERM', /docstring/],
    [
      "ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'",
      'COMPILE',
      /Redis 7/,
    ],
    ['ERR something that nobody has seen', 'unknown', /answered with an error/],
    ['ODDITY that nobody has seen', 'unknown', /answered with an error/],
  ] as const)(
    'says what "%s" means, from reads and from writes, and never takes it for an answer',
    async (reply, code, text) => {
      const stub = await startRedisStub(() => `-${reply}\r\n`);
      ends.push(stub.close);
      const stores = opened(library, stub.url, { readDeadlineMs: 5_000, writeDeadlineMs: 5_000 });
      for (const act of [
        () => stores.keys.findKey('Aa0000000001'),
        () => stores.keys.listKeys({}),
        () => stores.config.readNumber(),
        () => stores.config.readLatest(),
        () => stores.secrets.findSecret('openai'),
        () => stores.secrets.readSecretsStamp(),
        () => put(stores),
        () => stores.migrate(),
      ]) {
        const error = await errorOf(act);
        expect(error.code).toBe(code);
        expect(error.message).toMatch(text);
        // while the link waits before another try, what was said stands in the cause
        expect(inspect(error)).toContain(reply);
      }
    },
  );

  it('sends a script that the server does not know once, and gives up when it is forgotten again', async () => {
    const stub = await startRedisStub(() => '-NOSCRIPT No matching script.\r\n');
    ends.push(stub.close);
    const stores = opened(library, stub.url);
    const error = await errorOf(() => stores.migrate());
    expect(error.code).toBe('NOSCRIPT');
    expect(stub.commands.filter((name) => name.startsWith('EVAL'))).toEqual(['EVALSHA', 'EVAL']);
  });

  it('loads scripts again that the server has forgotten', async () => {
    const server = await started({ own: true });
    const stores = opened(library, server.url);
    expect(await put(stores)).toBe(true);
    const raw = await connectTo(server.url);
    ends.push(raw.close);
    await raw.send('SCRIPT', 'FLUSH');
    expect(await stores.keys.putKey({ ...sampleRecord('Aa0000000001'), version: 2 }, 1)).toBe(true);
  });

  it('refuses writes and goes on reading when the server has no memory left, and changes nothing half', async () => {
    const server = await started({ own: true });
    const stores = opened(library, server.url);
    expect(await put(stores)).toBe(true);
    const raw = await connectTo(server.url);
    ends.push(raw.close);
    await raw.send('CONFIG', 'SET', 'maxmemory', '1');
    const error = await errorOf(() => stores.keys.putKey({ ...sampleRecord('Aa0000000001'), version: 2 }, 1));
    expect(error.code).toBe('OOM');
    expect((await stores.keys.findKey('Aa0000000001'))?.version).toBe(1);
    expect(await stores.keys.listKeys({})).toHaveLength(1);
    await raw.send('CONFIG', 'SET', 'maxmemory', '0');
    expect(await stores.keys.putKey({ ...sampleRecord('Aa0000000001'), version: 2 }, 1)).toBe(true);
  });

  it('refuses writes through a replica', async () => {
    const primary = await started({ own: true });
    const replica = await started({ own: true });
    const raw = await connectTo(replica.url);
    ends.push(raw.close);
    await raw.send('REPLICAOF', '127.0.0.1', new URL(primary.url).port);
    const stores = opened(library, replica.url);
    expect((await errorOf(() => put(stores))).code).toBe('READONLY');
  });

  it('says that the password is missing or wrong, and shows it nowhere', async () => {
    const server = await started({ arguments: ['--requirepass', 'correct-horse-battery'] });
    const withPassword = (password: string) => server.url.replace('redis://', `redis://:${password}@`);
    const missing = await errorOf(() => opened(library, server.url).keys.findKey('Aa0000000001'));
    expect(missing.code).toBe('NOAUTH');
    const wrong = await errorOf(() =>
      opened(library, withPassword('planted-sentinel-4711')).keys.findKey('Aa0000000001'),
    );
    expect(wrong.code).toBe('WRONGPASS');
    expect(inspect(wrong, { depth: null, showHidden: true })).not.toContain('planted-sentinel');
    expect(
      await opened(library, withPassword('correct-horse-battery')).keys.findKey('Aa0000000001'),
    ).toBeNull();
  });

  it('shows nothing of a record in an error', async () => {
    const stub = await startRedisStub(() => '-OOM command not allowed\r\n');
    ends.push(stub.close);
    const stores = opened(library, stub.url);
    const secret = sampleSecret('openai', { sealed: 'planted-sentinel-4711' });
    const error = await errorOf(() => stores.secrets.putSecret(secret, 0));
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('planted-sentinel');
  });

  it('says that another program has written to the keys, and leaves what it wrote', async () => {
    const server = await started();
    const raw = await connectTo(server.url);
    ends.push(raw.close);
    for (const [key, code] of [
      ['meta', 'WRONGTYPE'],
      ['changes:log', 'WRONGTYPE'],
      ['keys:index', 'WRONGTYPE'],
      ['keys:uses', 'WRONGTYPE'],
    ] as const) {
      const installation = newInstallation();
      const stores = opened(library, server.url, { installation });
      await raw.send('SET', `headgate:{${installation}}:${key}`, 'foreign');
      expect((await errorOf(() => put(stores))).code, key).toBe(code);
      expect(await raw.send('EXISTS', `headgate:{${installation}}:keys`), `${key}: nothing was written`).toBe(
        0,
      );
    }
    const installation = newInstallation();
    const stores = opened(library, server.url, { installation });
    await raw.send('HSET', `headgate:{${installation}}:keys`, 'Aa0000000001', 'foreign');
    expect((await errorOf(() => stores.keys.findKey('Aa0000000001'))).code).toBe('corrupt');
  });

  it('works with nothing that a later release has migrated', async () => {
    const server = await started();
    const installation = newInstallation();
    const raw = await connectTo(server.url);
    ends.push(raw.close);
    await raw.send('HSET', `headgate:{${installation}}:meta`, 'schema', '2');
    const stores = opened(library, server.url, { installation });
    expect((await errorOf(() => stores.migrate())).code).toBe('SCHEMA');
    expect((await errorOf(() => put(stores))).code).toBe('SCHEMA');
    expect(await raw.send('HGET', `headgate:{${installation}}:meta`, 'schema')).toBe('2');
  });
});

describe('the address of a Redis', () => {
  it('may be a URL, with either library, and ioredis is preferred', async () => {
    const server = await started();
    const { url } = server;
    const stores = createRedisStores({ url, installation: newInstallation() });
    ends.push(stores.close);
    expect(await put(stores)).toBe(true);

    const missing = async () => {
      throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    };
    const redis = (await import('redis')) as unknown as { createClient: never };
    const open = toOpenRedis({ url }, 1_000, { ioredis: missing, redis: async () => redis });
    const connection = await open();
    await connection.connect();
    expect(await connection.send('', 'ECHO', 'text')).toBe('text');
    connection.destroy();

    const openNone = toOpenRedis({ url }, 1_000, { ioredis: missing, redis: missing });
    await expect(openNone()).rejects.toThrow('npm install ioredis');
  });

  it('is refused at construction when it cannot be one', () => {
    const url = 'redis://127.0.0.1:1';
    for (const [options, text] of [
      [{}, /"client" or "url"/],
      [{ url, client: {} }, /"client" or "url"/],
      [{ url: 'http://127.0.0.1' }, /"url"/],
      [{ client: {} }, /"client"/],
      [{ client: { duplicate() {}, sendCommand() {} } }, /"client"/],
      [{ url, prefix: 'a{b' }, /"prefix"/],
      [{ url, installation: '' }, /"installation"/],
      [{ url, readDeadlineMs: 0 }, /"readDeadlineMs"/],
      [{ url, pollMs: Number.NaN }, /"pollMs"/],
      [{ url, maxOutstanding: 1.5 }, /"maxOutstanding"/],
      [{ url, maxVersions: '5' }, /"maxVersions"/],
    ] as const) {
      const create = () => createRedisStores(options as unknown as RedisStoresOptions);
      expect(create, JSON.stringify(options)).toThrow(TypeError);
      expect(create).toThrow(text);
    }
  });
});
