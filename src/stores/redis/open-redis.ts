import type { OpenRedis, RedisCommands } from './commands.ts';
import {
  duplicateIoredis,
  type IoredisClient,
  type IoredisTemplate,
  ioredisOptions,
  toCommands as ofIoredis,
} from './ioredis.ts';
import {
  duplicateNodeRedis,
  type NodeRedisClient,
  type NodeRedisTemplate,
  nodeRedisOptions,
  toCommands as ofNodeRedis,
} from './node-redis.ts';

/**
 * A client of `ioredis` 5 or later (`Redis`, with Sentinel too, or `Cluster`) or of `redis` 5 or later
 * (`createClient` or `createCluster`). It need not be connected.
 */
export interface RedisClient {
  duplicate(...parameters: never[]): unknown;
  connect(): Promise<unknown>;
  subscribe(...parameters: never[]): unknown;
  on(...parameters: never[]): unknown;
}

/** Where Redis is: one of the two. */
export interface RedisAddress {
  readonly client?: RedisClient | undefined;
  readonly url?: string | undefined;
}

/** How the client libraries are imported, for a URL. */
export interface RedisLibraries {
  readonly ioredis: () => Promise<{ readonly Redis: new (url: string, options: object) => IoredisClient }>;
  readonly redis: () => Promise<{ readonly createClient: (options: object) => NodeRedisClient }>;
}

// each is typed with its full API, of which little is used here
const installed = {
  ioredis: () => import('ioredis'),
  redis: () => import('redis'),
} as unknown as RedisLibraries;

/** How to open connections to it. @throws TypeError when there is no usable address */
export function toOpenRedis(
  { client, url }: RedisAddress,
  connectTimeoutMs: number,
  libraries: RedisLibraries = installed,
): OpenRedis {
  if ((client === undefined) === (url === undefined)) {
    throw new TypeError('createRedisStores: give either "client" or "url".');
  }
  if (client !== undefined) return ofClient(client, connectTimeoutMs);
  const address = url as string;
  if (!/^rediss?:\/\//.test(address)) {
    throw new TypeError('createRedisStores: "url" must begin with redis:// or rediss://.');
  }
  return () => ofUrl(address, connectTimeoutMs, libraries);
}

function ofClient(client: RedisClient, connectTimeoutMs: number): OpenRedis {
  const has = (name: string) => typeof (client as unknown as Record<string, unknown>)?.[name] === 'function';
  if (has('duplicate') && has('call')) {
    return async () => duplicateIoredis(client as unknown as IoredisTemplate, connectTimeoutMs);
  }
  // the Sentinel client of `redis` has other parameters; that of `ioredis` is an ordinary one
  if (has('duplicate') && has('sendCommand') && has('destroy') && !has('getSentinelNode')) {
    return async () => duplicateNodeRedis(client as unknown as NodeRedisTemplate, connectTimeoutMs);
  }
  throw new TypeError(
    'createRedisStores: "client" must be a client of ioredis (Redis, Cluster) or of redis (createClient, createCluster), version 5 or later.',
  );
}

async function ofUrl(
  url: string,
  connectTimeoutMs: number,
  libraries: RedisLibraries,
): Promise<RedisCommands> {
  const ioredis = await importOptional(libraries.ioredis);
  if (ioredis) return ofIoredis(new ioredis.Redis(url, ioredisOptions(connectTimeoutMs)));
  const redis = await importOptional(libraries.redis);
  if (redis) return ofNodeRedis(redis.createClient({ url, ...nodeRedisOptions(connectTimeoutMs) }));
  throw new Error('The Redis stores need a client library: npm install ioredis (or redis).');
}

async function importOptional<Module>(load: () => Promise<Module>): Promise<Module | undefined> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // the second is its name where `import` was compiled to `require`
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
