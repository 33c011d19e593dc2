import { createPostgresStores } from '../../../src/stores/postgres/postgres-stores.ts';
import { createRedisStores } from '../../../src/stores/redis/redis-stores.ts';
import type { Stores } from '../../../src/stores/stores.ts';
import { startPostgres } from '../../../test/servers/postgres.ts';
import { startRedis } from '../../../test/servers/redis.ts';
import type { TestServer } from '../../../test/servers/test-server.ts';
import { type Framing, postgresFraming, redisFraming } from './framing.ts';

/** The backends that nodes can share. */
export const backendNames = ['redis', 'postgres'] as const;

/** One of them. */
export type BackendName = (typeof backendNames)[number];

/** What differs between them. */
export interface Backend {
  readonly framing: Framing;
  /** A server of our own: everything in it is made here. */
  startServer(): Promise<TestServer>;
  openStores(url: string): Stores;
}

/** By name. Stores are opened with their defaults, which is what is promised. */
export const backends: Readonly<Record<BackendName, Backend>> = {
  redis: {
    framing: redisFraming,
    startServer: () => startRedis({ own: true }),
    openStores: (url) => createRedisStores({ url }),
  },
  postgres: {
    framing: postgresFraming,
    startServer: () => startPostgres({ own: true }),
    openStores: (url) => createPostgresStores({ connectionString: url }),
  },
};
