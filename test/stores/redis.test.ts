import { afterAll, beforeAll, describe } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts';
import { startRedis } from '../servers/redis.ts';
import type { TestServer } from '../servers/test-server.ts';
import { type clientLibraries, eventually, newInstallation, storesOf } from './redis-fixture.ts';
import { contractOfStores, type StoresHarness } from './stores-contract.ts';

/** Stores over a URL, with faults that are made between them and the server, or to the server. */
function createHarness(
  library: keyof typeof clientLibraries,
  url: string,
  faults: {
    readonly break: () => Promise<() => Promise<void>>;
    readonly freeze: () => Promise<() => Promise<void>>;
  },
): StoresHarness {
  const installation = newInstallation();
  const open = () => storesOf(library, url, { installation, pollMs: 200 });
  const stores = open();
  const opened = [stores];
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
    deadlineMs: 1_000,
    close: async () => {
      for (const each of opened) await each.close();
    },
  };
}

for (const library of ['ioredis', 'redis'] as const) {
  describe(`the stores in Redis, through ${library}, whose server is killed, restarted and stopped`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startRedis({ own: true, appendonly: true });
    });
    afterAll(() => server.stop());

    const create = () =>
      createHarness(library, server.url, {
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
    server = await startRedis();
    proxy = await startFaultProxy(server.url);
  });
  afterAll(async () => {
    await proxy.close();
    await server.stop();
  });

  const create = () =>
    createHarness('ioredis', proxy.url, {
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
