import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { StoreNeed } from '../../src/testing/contracts/store-case.ts';
import { eventually, patienceMs } from '../eventually.ts';
import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts';
import { startRedis } from '../servers/redis.ts';
import type { TestServer } from '../servers/test-server.ts';
import { type clientLibraries, newInstallation, patient, storesOf, within } from './redis-fixture.ts';
import { connectTo } from './redis-raw.ts';
import { contractOfStores, type StoresHarness } from './stores-contract.ts';

/** Stores through a proxy, with faults that are made between them and the server, or to the server. */
function createHarness(
  library: keyof typeof clientLibraries,
  server: TestServer,
  proxy: FaultProxy,
  needs: readonly StoreNeed[],
  faults: {
    readonly break: () => Promise<() => Promise<void>>;
    readonly freeze: () => Promise<() => Promise<void>>;
  },
): StoresHarness {
  const installation = newInstallation();
  const deadlines = needs.includes('freeze') ? within(2_000) : patient;
  const open = () => storesOf(library, proxy.url, { installation, pollMs: 200, ...deadlines });
  const stores = open();
  const opened = [stores];
  let replica: TestServer | undefined;
  return {
    stores,
    second() {
      const second = open();
      opened.push(second);
      return second;
    },
    async breakStore() {
      const mend = await faults.break();
      return async () => {
        await mend();
        await eventually(() => stores.keys.findKey('Aa0000000001'));
      };
    },
    freeze: faults.freeze,
    slow() {
      proxy.delay(30);
      return () => proxy.delay(0);
    },
    async failOver() {
      replica = await startReplica(server.url);
      proxy.redirect(replica.url);
    },
    deadlineMs: deadlines.writeDeadlineMs,
    patienceMs,
    close: async () => {
      for (const each of opened) await each.close();
      proxy.redirect(server.url);
      await replica?.stop();
    },
  };
}

/** A server that has everything of a primary, and is one itself from then on. */
async function startReplica(primaryUrl: string): Promise<TestServer> {
  const replica = await startRedis({ own: true });
  const { send, close } = await connectTo(replica.url);
  await send('REPLICAOF', '127.0.0.1', new URL(primaryUrl).port);
  await eventually(async () =>
    expect(String(await send('INFO', 'replication'))).toMatch(/master_link_status:up/),
  );
  await send('REPLICAOF', 'NO', 'ONE');
  await close();
  return replica;
}

for (const library of ['ioredis', 'redis'] as const) {
  describe(`the stores in Redis, through ${library}, whose server is killed, restarted and stopped`, () => {
    let server: TestServer;
    let proxy: FaultProxy;
    beforeAll(async () => {
      server = await startRedis({ own: true, appendonly: true });
      proxy = await startFaultProxy(server.url);
    });
    afterAll(async () => {
      await proxy.close();
      await server.stop();
    });

    const create = (needs: readonly StoreNeed[]) =>
      createHarness(library, server, proxy, needs, {
        async break() {
          await server.kill();
          return () => server.restart();
        },
        async freeze() {
          await server.freeze();
          return () => server.thaw();
        },
      });
    contractOfStores(create, {});
  });
}

describe('the stores in Redis, over a network that refuses and swallows', () => {
  let server: TestServer;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await startRedis({ own: true });
    proxy = await startFaultProxy(server.url);
  });
  afterAll(async () => {
    await proxy.close();
    await server.stop();
  });

  const create = (needs: readonly StoreNeed[]) =>
    createHarness('ioredis', server, proxy, needs, {
      async break() {
        await proxy.refuse();
        return () => proxy.heal();
      },
      async freeze() {
        proxy.stall();
        return () => proxy.heal();
      },
    });
  contractOfStores(create, {});
});
