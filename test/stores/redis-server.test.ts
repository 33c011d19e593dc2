import { readFileSync } from 'node:fs';
import { Cluster } from 'ioredis';
import { createCluster } from 'redis';
import { afterEach, describe, expect, it } from 'vitest';
import { createRedisStores, type RedisStoresOptions } from '../../src/stores/redis/redis-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';
import { eventually } from '../eventually.ts';
import { freePort } from '../servers/free-port.ts';
import { startRedis } from '../servers/redis.ts';
import { clientLibraries, newInstallation, storesOf } from './redis-fixture.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(parameters: readonly string[] = []) {
  const server = await startRedis({ own: true, arguments: parameters });
  const raw = await connectTo(server.url);
  ends.push(server.stop, raw.close);
  return { server, raw };
}

function opened(stores: Stores): Stores {
  ends.push(stores.close);
  return stores;
}

/** Everything that the stores can do, once; fails when a change is not told by message. */
async function doEverything(stores: Stores): Promise<void> {
  await stores.migrate();
  const heard: string[] = [];
  const begun = new Set<string>();
  // a server that has just started may end a connection at first: then a watch says anew that anything may have changed
  const note = (kind: string) => (id: string | undefined) =>
    id === undefined ? void begun.add(kind) : void heard.push(`${kind} ${id}`);
  const unwatch = [
    stores.keys.watchKeys(note('keys')),
    stores.config.watchConfig!(note('config')),
    stores.secrets.watchSecrets!(note('secrets')),
  ];
  await eventually(() => expect(begun).toHaveLength(3));
  const record = { ...sampleRecord('Aa0000000001', { owner: 'ana', project: 'shop' }), version: 1 };
  expect(await stores.keys.putKey(record, 0)).toBe(true);
  expect(await stores.keys.putKey({ ...record, version: 2, owner: 'bob' }, 1)).toBe(true);
  await stores.keys.noteUses([{ kid: record.kid, usedAtMs: 5, previous: true }]);
  const expected = { ...record, version: 2, owner: 'bob', lastUsedAtMs: 5, previousUsedAtMs: 5 };
  expect(await stores.keys.findKey(record.kid)).toEqual(expected);
  expect(await stores.keys.listKeys({ owner: 'bob', team: 'web' })).toEqual([expected]);
  expect(await stores.config.readNumber()).toBe(0);
  for (const number of [1, 2, 3]) await stores.config.appendVersion(sampleVersion(`v${number}`), number - 1);
  expect((await stores.config.readLatest())?.number).toBe(3);
  expect(await stores.config.listVersions()).toHaveLength(2);
  expect(await stores.config.readVersion(1)).toBeNull();
  expect(await stores.secrets.putSecret(sampleSecret('openai'), 0)).toBe(true);
  expect(await stores.secrets.listSecrets({ limit: 10 })).toEqual([sampleSecret('openai')]);
  expect(await stores.secrets.removeSecret('openai', 1)).toBe(true);
  expect(await stores.secrets.readSecretsStamp()).toBeGreaterThan(0);
  const changes = ['keys Aa0000000001', 'keys Aa0000000001', 'config 1', 'config 2', 'config 3'];
  await eventually(() => expect(heard).toEqual([...changes, 'secrets openai', 'secrets openai']));
  for (const end of unwatch) await end();
}

/** The command in the docstring of `createRedisStores`, as its words. */
function documentedUser(): string[] {
  const source = readFileSync(new URL('../../src/stores/redis/redis-stores.ts', import.meta.url), 'utf8');
  const text = /(ACL SETUSER headgate[^`]*)```/.exec(source)?.[1] ?? '';
  return text.replace(/^ \*/gm, '').trim().split(/\s+/);
}

describe.each(['ioredis', 'redis'] as const)(
  'a Redis user with the documented rights, through %s',
  (library) => {
    it('may do everything that the stores do, changes by message among it, and nothing else', async () => {
      const { server, raw } = await start();
      const command = documentedUser();
      expect(command).toContain('+evalsha');
      await raw.send(...command);
      const url = server.url.replace('redis://', 'redis://headgate:password@');
      const warnings: string[] = [];
      const stores = opened(
        createRedisStores({
          client: clientLibraries[library](url),
          pollMs: 3_600_000,
          maxVersions: 2,
          onWarning: (text) => void warnings.push(text),
        }),
      );
      await doEverything(stores);
      await eventually(() => expect(warnings).toEqual([expect.stringContaining('append-only')]));

      const elsewhere = opened(storesOf(library, url, { installation: 'other' }));
      await expect(elsewhere.keys.findKey('Aa0000000001')).rejects.toMatchObject({ code: 'NOPERM' });
      await expect(elsewhere.config.appendVersion(sampleVersion('v1'), 0)).rejects.toMatchObject({
        code: 'NOPERM',
      });
      const asUser = await connectTo(url);
      ends.push(asUser.close);
      for (const forbidden of [
        ['FLUSHALL'],
        ['KEYS', '*'],
        ['CONFIG', 'GET', '*'],
        ['GET', 'x'],
        ['SHUTDOWN'],
      ]) {
        await expect(asUser.send(...forbidden), forbidden.join(' ')).rejects.toThrow('NOPERM');
      }
    });

    it('needs every right that is documented, but the one for warnings', async () => {
      const { server, raw } = await start();
      const url = server.url.replace('redis://', 'redis://headgate:password@');
      const command = documentedUser();
      const rights = command.filter((word) => /^\+/.test(word) && word !== '+info');
      const needless: string[] = [];
      for (const right of rights) {
        await raw.send('FLUSHALL');
        await raw.send('SCRIPT', 'FLUSH');
        await raw.send('ACL', 'DELUSER', 'headgate');
        await raw.send(...command.filter((word) => word !== right));
        const warnings: string[] = [];
        const stores = createRedisStores({
          client: clientLibraries[library](url),
          pollMs: 200,
          maxVersions: 2,
          writeDeadlineMs: 500,
          onWarning: (text) => void (/subscribe/.test(text) && warnings.push(text)),
        });
        const isFine = await doEverything(stores).then(
          () => warnings.length === 0,
          () => false,
        );
        if (isFine) needless.push(right);
        await stores.close();
      }
      // the list of the last changes is read only after a message or an answer was lost; a refused PING is an answer too
      expect(needless.sort()).toEqual(['+lrange', '+ping']);
    });
  },
);

describe('the settings of a server', () => {
  const warningsOf = async (parameters: readonly string[]): Promise<string[]> => {
    const { server, raw } = await start(parameters);
    const warnings: string[] = [];
    const stores = opened(storesOf('ioredis', server.url, { onWarning: (text) => void warnings.push(text) }));
    await stores.keys.findKey('x');
    // asked again by the next connection, and not told again
    await raw.send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await eventually(() => stores.keys.findKey('x'));
    await eventually(async () => {
      expect(String(await raw.send('INFO', 'commandstats'))).toMatch(/cmdstat_info:calls=[5-9]/);
    });
    return warnings;
  };

  it('are warned of, once, when they may evict or lose what is stored', async () => {
    const warnings = await warningsOf(['--maxmemory-policy', 'allkeys-lru']);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('"allkeys-lru"');
    expect(warnings[1]).toContain('append-only');
  });

  it('are not warned of when they are as they should be', async () => {
    expect(await warningsOf(['--appendonly', 'yes'])).toEqual([]);
  });
});

describe('migration', () => {
  it('is done once by several nodes at once, says what it did, and changes nothing that is there', async () => {
    const { server } = await start();
    const installation = newInstallation();
    const nodes = Array.from({ length: 5 }, () => opened(storesOf('ioredis', server.url, { installation })));
    const steps = (await Promise.all(nodes.map((node) => node.migrate()))).flat();
    expect(steps).toEqual(['redis schema 1']);
    await nodes[0]!.config.appendVersion(sampleVersion('v1'), 0);
    expect(await nodes[1]!.migrate()).toEqual([]);
    expect(await nodes[2]!.config.readNumber()).toBe(1);
  });
});

describe('a passed-in client', () => {
  it.each(['ioredis', 'redis'] as const)('of %s stays as it was, open or not', async (library) => {
    const { server } = await start();
    const client = clientLibraries[library](server.url);
    await client.connect();
    const stores = createRedisStores({ client, installation: newInstallation() });
    await stores.keys.findKey('x');
    await stores.close();
    expect(await (client as { ping(): Promise<unknown> }).ping()).toBe('PONG');
    if ('disconnect' in client && library === 'ioredis') client.disconnect(false);
    else (client as ReturnType<typeof clientLibraries.redis>).destroy();
    const unconnected = clientLibraries[library](server.url);
    await doEverything(
      opened(createRedisStores({ client: unconnected, installation: newInstallation(), maxVersions: 2 })),
    );
  });
});

describe('a cluster', () => {
  /** Three nodes, each with a third of the slots. */
  async function startCluster() {
    const nodes = [];
    for (let index = 0; index < 3; index++) {
      const port = await freePort();
      nodes.push(
        await start(['--cluster-enabled', 'yes', '--cluster-port', String(port)]).then((node) => ({
          ...node,
          port,
        })),
      );
    }
    const [first] = nodes;
    for (const [index, { raw }] of nodes.entries()) {
      const from = Math.floor((16_384 / 3) * index);
      const to = Math.floor((16_384 / 3) * (index + 1)) - 1;
      await raw.send('CLUSTER', 'ADDSLOTSRANGE', String(from), String(index === 2 ? 16_383 : to));
    }
    for (const { server, port } of nodes.slice(1)) {
      await first!.raw.send('CLUSTER', 'MEET', '127.0.0.1', new URL(server.url).port, String(port));
    }
    for (const { raw } of nodes) {
      await eventually(async () => {
        const info = String(await raw.send('CLUSTER', 'INFO'));
        expect(info).toContain('cluster_state:ok');
        expect(info).toContain('cluster_known_nodes:3');
      });
    }
    return nodes.map(({ server }) => server.url);
  }
  const address = (url: string) => ({ host: '127.0.0.1', port: Number(new URL(url).port) });

  it('keeps everything of an installation on one node, whichever library asks and whichever node it asks', async () => {
    const urls = await startCluster();
    for (const library of ['ioredis', 'redis']) {
      for (const installation of ['a', 'b', 'c', 'default']) {
        const client: NonNullable<RedisStoresOptions['client']> =
          library === 'ioredis'
            ? new Cluster([address(urls[0]!)], { lazyConnect: true })
            : createCluster({ rootNodes: [{ url: urls[1]! }] });
        const stores = opened(createRedisStores({ client, prefix: library, installation, maxVersions: 2 }));
        await doEverything(stores);
        await stores.close();
      }
    }
  });

  it('is not served by a client of one node, and the error says so', async () => {
    const urls = await startCluster();
    const codes = new Set<string>();
    for (const url of urls) {
      const stores = opened(storesOf('redis', url, { installation: 'default' }));
      codes.add(
        await stores.keys.findKey('x').then(
          () => 'found',
          (error) => error.code,
        ),
      );
    }
    expect([...codes].sort()).toEqual(['MOVED', 'found']);
  });

  it.each(['ioredis', 'redis'] as const)(
    'whose node was killed is an outage, and is used again, through %s',
    async (library) => {
      const port = await freePort();
      const server = await startRedis({
        own: true,
        appendonly: true,
        arguments: [
          ...['--cluster-announce-ip', '127.0.0.1'],
          '--cluster-enabled',
          'yes',
          '--cluster-port',
          String(port),
        ],
      });
      ends.push(server.stop);
      const raw = await connectTo(server.url);
      await raw.send('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await eventually(async () =>
        expect(String(await raw.send('CLUSTER', 'INFO'))).toContain('cluster_state:ok'),
      );
      await raw.close();
      const client =
        library === 'ioredis'
          ? new Cluster([address(server.url)], { lazyConnect: true })
          : createCluster({ rootNodes: [{ url: server.url }] });
      const stores = opened(createRedisStores({ client, pollMs: 200, maxVersions: 2 }));
      await doEverything(stores);
      const heard: (string | undefined)[] = [];
      ends.push(stores.keys.watchKeys((id) => void heard.push(id)));
      await eventually(() => expect(heard).toContain(undefined));
      await server.kill();
      for (let round = 0; round < 5; round++) {
        await expect(stores.keys.findKey('Aa0000000001')).rejects.toBeInstanceOf(Error);
      }
      heard.length = 0;
      await server.restart();
      await eventually(async () => expect((await stores.keys.findKey('Aa0000000001'))?.version).toBe(2));
      await eventually(() => expect(heard).toContain(undefined));
      heard.length = 0;
      await eventually(() => stores.keys.putKey({ ...sampleRecord('Bb0000000001'), version: 1 }, 0));
      await eventually(() =>
        expect(heard.some((id) => id === undefined || id === 'Bb0000000001')).toBe(true),
      );
    },
  );

  it('that is down is an outage', async () => {
    const { server } = await start(['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())]);
    const stores = opened(storesOf('redis', server.url));
    await expect(stores.keys.findKey('x')).rejects.toMatchObject({ code: 'CLUSTERDOWN' });
  });
});
