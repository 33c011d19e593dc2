import type { RedisLedger } from '../../src/stores/redis/redis-ledger.ts';
import { createRedisStores, type RedisStoresOptions } from '../../src/stores/redis/redis-stores.ts';
import {
  type ClientLibrary,
  clientLibraries,
  newInstallation,
  patient,
  patientLedger,
} from './redis-fixture.ts';

/** A ledger over a URL with connections of its own; patient but where the options say otherwise. */
export function openLedger(
  url: string,
  { library = 'ioredis', ...options }: RedisStoresOptions & { readonly library?: ClientLibrary } = {},
): { readonly ledger: RedisLedger; readonly close: () => Promise<void> } {
  const stores = createRedisStores({
    client: clientLibraries[library](url),
    installation: newInstallation(),
    ...patient,
    ...options,
    ledger: { ...patientLedger, ...options.ledger },
  });
  return { ledger: stores.ledger, close: stores.close };
}
