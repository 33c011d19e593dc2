import type { KeyRecord } from '../key-store.ts';
import type { Stores } from '../stores.ts';
import { createMemoryConfigStore, type MemoryConfigStoreOptions } from './memory-config-store.ts';
import { createMemoryKeyStore, type MemoryKeyStore } from './memory-key-store.ts';
import { createMemorySecretStore } from './memory-secret-store.ts';

/** Options of `createMemoryStores`. */
export interface MemoryStoresOptions extends MemoryConfigStoreOptions {
  /** Keys that are there from the start. @default none */
  readonly keys?: Iterable<KeyRecord>;
}

/** Stores in memory; their keys can also be put and removed synchronously. */
export interface MemoryStores extends Stores {
  readonly keys: MemoryKeyStore;
}

/**
 * Everything that a gateway keeps, in this process and for as long as it runs: for tests and first steps. There is
 * nothing to migrate or close.
 * @throws TypeError when two `keys` have the same kid or `maxVersions` is not an integer ≥ 1
 */
export function createMemoryStores(options: MemoryStoresOptions = {}): MemoryStores {
  const { keys = [], ...bounds } = options;
  return {
    backend: 'memory',
    keys: createMemoryKeyStore(keys),
    config: createMemoryConfigStore(bounds),
    secrets: createMemorySecretStore(),
    migrate: async () => [],
    close: async () => {},
  };
}
