import type { KeyRecord, KeyStore } from '../key-store.ts';

/** A `KeyStore` that can be written to. */
export interface MemoryKeyStore extends KeyStore {
  /** Adds a key, or replaces the one with the same kid. Seen by the next `findKey`. */
  put(record: KeyRecord): void;
  /** Removes a key; whether there was one. */
  remove(kid: string): boolean;
  /** All keys, in the order in which their kids were first added. */
  list(): readonly KeyRecord[];
}

/**
 * Keeps keys in this process: for tests, for keys that stand in a configuration file, for one node without a
 * database. Records are copied and frozen when they come in, so what is handed out never changes. Call the
 * gateway's `forgetKey(kid)` after a change, or wait for its cache.
 *
 * @example
 * const store = createMemoryKeyStore([record]);
 * store.put({ ...record, revokedAtMs: Date.now() });
 * @throws TypeError when two records have the same kid
 */
export function createMemoryKeyStore(records: Iterable<KeyRecord> = []): MemoryKeyStore {
  const byKid = new Map<string, KeyRecord>();
  const put = (record: KeyRecord): void => {
    byKid.set(record.kid, freeze(structuredClone(record)));
  };
  for (const record of records) {
    if (byKid.has(record.kid)) {
      throw new TypeError(`createMemoryKeyStore: two "records" have the kid "${record.kid}".`);
    }
    put(record);
  }
  return {
    findKey: async (kid) => byKid.get(kid) ?? null,
    put,
    remove: (kid) => byKid.delete(kid),
    list: () => [...byKid.values()],
  };
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) freeze(part);
    Object.freeze(value);
  }
  return value;
}
