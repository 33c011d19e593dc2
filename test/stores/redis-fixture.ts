import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { createRedisStores, type RedisStoresOptions } from '../../src/stores/redis/redis-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import { noDeadlineMs } from '../eventually.ts';

/** The two client libraries: how a user makes a client of each. */
export const clientLibraries = {
  ioredis: (url: string) => {
    const client = new Redis(url, { lazyConnect: true });
    client.on('error', () => undefined);
    return client;
  },
  redis: (url: string) => {
    const client = createClient({ url });
    client.on('error', () => undefined);
    return client;
  },
} as const;

export type ClientLibrary = keyof typeof clientLibraries;

/** A name that no other test uses. */
export function newInstallation(): string {
  return `test-${randomBytes(6).toString('hex')}`;
}

/** Deadlines of stores, all alike. */
export const within = (ms: number) => ({ readDeadlineMs: ms, writeDeadlineMs: ms, connectDeadlineMs: ms });

/** Deadlines that no load reaches. A test that freezes or slows something gives its own. */
export const patient = within(noDeadlineMs);

/** As `patient`, of the ledger. */
export const patientLedger = { deadlineMs: noDeadlineMs, settleDeadlineMs: noDeadlineMs };

/** Stores over a client of the library, and all that were opened with them; patient but where the options say otherwise. */
export function storesOf(library: ClientLibrary, url: string, options: RedisStoresOptions = {}): Stores {
  return createRedisStores({
    client: clientLibraries[library](url),
    installation: newInstallation(),
    ...patient,
    ...options,
    ledger: { ...patientLedger, ...options.ledger },
  });
}
