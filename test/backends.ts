import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createConfigService,
  createKeyService,
  createNoPepperRing,
  createVault,
  type GatewayConfig,
  type GatewayReply,
  type HeaderMap,
  type KeyEncryptionRing,
  type OpenGateway,
  type Stores,
} from 'headgate';
import { createFileStores } from 'headgate/file';
import { createSqliteStores } from 'headgate/sqlite';
import { onTestFinished } from 'vitest';
import { createMemoryStores } from '../src/stores/memory/memory-stores.ts';
import type { ChangeListener, Unwatch } from '../src/stores/watch.ts';
import { startFaultProxy } from './servers/fault-proxy.ts';
import { sharedServer } from './servers/shared.ts';
import { createDirectory } from './stores/file-harness.ts';
import { createGate } from './stores/gate.ts';
import { createPlace } from './stores/postgres-fixture.ts';
import { newInstallation, storesOf } from './stores/redis-fixture.ts';

/** Where one installation keeps what it keeps, fresh and empty. */
export interface Place {
  /** The stores as one more node has them; in memory there is one node. */
  open(): Stores;
  /** Makes every call of the node that was opened first fail; the result mends it. */
  breakFirst(): Promise<() => unknown>;
  /** How a child process opens them: the text of an expression, and the import that it needs. */
  readonly source: { readonly imports: string; readonly expression: string };
}

/** Every backend, by its name. What was opened is closed when the test ends. */
export const backends: Readonly<Record<string, () => Promise<Place>>> = {
  memory: async () => {
    const stores = createMemoryStores();
    const gate = createGate();
    let opened = 0;
    return {
      open: () => (opened++ === 0 ? gated(stores, gate.pass) : stores),
      breakFirst: async () => gate.break(),
      source: {
        imports: "import { createMemoryStores } from 'source:stores/memory/memory-stores.ts';",
        expression: 'createMemoryStores()',
      },
    };
  },

  file: async () => {
    const { directory: parent, remove } = await createDirectory();
    onTestFinished(remove);
    const directory = join(parent, 'data');
    const options = { directory, pollMs: 100, settleMs: 5 };
    return {
      open: () => closeLater(createFileStores(options)),
      async breakFirst() {
        await rename(directory, `${directory}.away`);
        // a file in the place of the directory: nothing can be made there meanwhile
        await writeFile(directory, '');
        return async () => {
          await rm(directory);
          await rename(`${directory}.away`, directory);
        };
      },
      source: {
        imports: "import { createFileStores } from 'source:stores/file/file-stores.ts';",
        expression: `createFileStores(${JSON.stringify(options)})`,
      },
    };
  },

  sqlite: async () => {
    const { directory, remove } = await createDirectory();
    onTestFinished(remove);
    const options = { file: join(directory, 'headgate.db'), pollMs: 20 };
    const gate = createGate();
    let opened = 0;
    return {
      open() {
        const stores = closeLater(createSqliteStores(options));
        return opened++ === 0 ? gated(stores, gate.pass) : stores;
      },
      breakFirst: async () => gate.break(),
      source: {
        imports: "import { createSqliteStores } from 'source:stores/sqlite/sqlite-stores.ts';",
        expression: `createSqliteStores(${JSON.stringify(options)})`,
      },
    };
  },

  postgres: async () => {
    const url = await sharedServer('postgres');
    const place = await createPlace({ url });
    onTestFinished(place.close);
    let opened = 0;
    return {
      open: () => place.open(opened++ === 0 ? {} : { connectionString: url }),
      async breakFirst() {
        await place.proxy.refuse();
        return () => place.proxy.heal();
      },
      source: {
        imports: "import { createPostgresStores } from 'source:stores/postgres/postgres-stores.ts';",
        expression: `createPostgresStores(${JSON.stringify({ connectionString: url, schema: place.schema })})`,
      },
    };
  },

  redis: async () => {
    const url = await sharedServer('redis');
    const proxy = await startFaultProxy(url);
    onTestFinished(() => proxy.close());
    const installation = newInstallation();
    let opened = 0;
    return {
      open: () =>
        closeLater(storesOf('ioredis', opened++ === 0 ? proxy.url : url, { installation, pollMs: 200 })),
      async breakFirst() {
        await proxy.refuse();
        return () => proxy.heal();
      },
      source: {
        imports: "import { createRedisStores } from 'source:stores/redis/redis-stores.ts';",
        expression: `createRedisStores(${JSON.stringify({ url, installation })})`,
      },
    };
  },
};

function closeLater(stores: Stores): Stores {
  onTestFinished(() => stores.close());
  return stores;
}

/** The stores behind a gate. */
function gated(stores: Stores, pass: () => Promise<void>): Stores {
  const guard = <Store extends object>(store: Store): Store =>
    Object.fromEntries(
      Object.entries(store).map(([name, method]) => [
        name,
        name.startsWith('watch')
          ? method
          : async (...all: unknown[]) => {
              await pass();
              return method(...all);
            },
      ]),
    ) as Store;
  return {
    ...stores,
    keys: guard(stores.keys),
    config: guard(stores.config),
    secrets: guard(stores.secrets),
  };
}

/** The same stores, with the number of watches that were begun and not ended. */
export function countWatches(stores: Stores): { readonly stores: Stores; readonly open: () => number } {
  let open = 0;
  const count =
    (watch: ((listener: ChangeListener) => Unwatch) | undefined) =>
    (listener: ChangeListener): Unwatch => {
      const unwatch = watch?.(listener);
      let isOpen = true;
      open++;
      return async () => {
        if (isOpen) open--;
        isOpen = false;
        await unwatch?.();
      };
    };
  const { keys, config, secrets } = stores;
  return {
    open: () => open,
    stores: {
      ...stores,
      keys: { ...keys, watchKeys: count(keys.watchKeys) },
      config: { ...config, watchConfig: count(config.watchConfig) },
      secrets: { ...secrets, watchSecrets: count(secrets.watchSecrets) },
    },
  };
}

/** The same stores, that tell of nothing. */
export function withoutPush(stores: Stores): Stores {
  const { watchKeys: _keys, ...keys } = stores.keys;
  const { watchConfig: _config, ...config } = stores.config;
  const { watchSecrets: _secrets, ...secrets } = stores.secrets;
  return { ...stores, keys: keys as Stores['keys'], config, secrets };
}

/** What an operator does with stores. */
export function administer(stores: Stores, ring?: KeyEncryptionRing) {
  const peppers = createNoPepperRing();
  const service = createConfigService({ store: stores.config, check: () => undefined });
  return {
    service,
    keys: createKeyService({ store: stores.keys, peppers }),
    apply: (config: GatewayConfig) => service.apply(config, { author: 'ana' }),
    secrets: ring && createVault({ store: stores.secrets, ring }),
  };
}

/** Sends a request straight to the core. */
export async function sendTo(
  gateway: Pick<OpenGateway, 'handle'>,
  path: string,
  body: unknown,
  headers: HeaderMap,
): Promise<GatewayReply> {
  const bytes = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
  return gateway.handle({
    method: bytes ? 'POST' : 'GET',
    path,
    query: '',
    headers: { host: 'gateway.test', ...(bytes && { 'content-type': 'application/json' }), ...headers },
    signal: new AbortController().signal,
    readBody: async () => bytes ?? new Uint8Array(0),
  });
}
