import { createChangeNotifier } from '../change-notifier.ts';
import { frozenCopy } from '../frozen.ts';
import { applyUse, keepUses, requireNextVersion } from '../key-change.ts';
import { createKeyIndex } from '../key-index.ts';
import type { KeyRecord, WritableKeyStore } from '../key-store.ts';

/** A `WritableKeyStore` that can also be written synchronously and without versions. */
export interface MemoryKeyStore extends WritableKeyStore {
  /** Adds a key, or replaces the one with the same kid, whatever its version. Seen by the next `findKey`. */
  put(record: KeyRecord): void;
  /** Removes a key. Returns whether there was one. */
  remove(kid: string): boolean;
  /** All keys, in the order in which their kids were first added. */
  list(): readonly KeyRecord[];
}

/**
 * Keeps keys in this process: for tests, for keys in a configuration file, for one node without a database. Records are
 * copied and frozen on the way in, so what is handed out never changes. A key that was put without a version counts as
 * version 0: `putKey` replaces it when 0 is expected.
 * @throws TypeError when two records have the same kid
 */
export function createMemoryKeyStore(records: Iterable<KeyRecord> = []): MemoryKeyStore {
  const index = createKeyIndex();
  const notifier = createChangeNotifier();
  for (const record of records) {
    if (index.get(record.kid)) {
      throw new TypeError(`createMemoryKeyStore: two "records" have the kid "${record.kid}".`);
    }
    index.set(frozenCopy(record));
  }
  const set = (record: KeyRecord): void => {
    index.set(frozenCopy(record));
    notifier.tell(record.kid);
  };
  return {
    findKey: async (kid) => index.get(kid) ?? null,
    put: set,
    remove(kid) {
      const isRemoved = index.delete(kid);
      if (isRemoved) notifier.tell(kid);
      return isRemoved;
    },
    list: () => [...index.values()],
    async putKey(record, expectedVersion) {
      requireNextVersion('putKey', record.version, expectedVersion);
      const stored = index.get(record.kid);
      if ((stored?.version ?? 0) !== expectedVersion) return false;
      set(keepUses(record, stored));
      return true;
    },
    listKeys: async (query) => index.list(query),
    async noteUses(uses) {
      for (const use of uses) {
        const record = index.get(use.kid);
        const used = record && applyUse(record, use);
        if (used !== undefined && used !== record) index.set(frozenCopy(used));
      }
    },
    watchKeys: (listener) => notifier.watch(listener),
  };
}
