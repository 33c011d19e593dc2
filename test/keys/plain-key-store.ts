import { setImmediate as turn } from 'node:timers/promises';
import type { KeyQuery, KeyRecord, KeyUse, WritableKeyStore } from '../../src/stores/key-store.ts';

/** The least that a writable key store can be, with each call a turn of the event loop away, as over a network. */
export function createPlainKeyStore() {
  const records = new Map<string, KeyRecord>();
  const faults = {
    /** Thrown by every call. */
    error: undefined as unknown,
    /** Run before a write is decided, to let somebody else be faster. */
    beforePut: undefined as ((record: KeyRecord) => void | Promise<void>) | undefined,
    beforeList: undefined as ((query: KeyQuery) => void) | undefined,
  };
  const calls: string[] = [];
  const uses: KeyUse[][] = [];
  const enter = async (name: string): Promise<void> => {
    calls.push(name);
    await turn();
    if (faults.error !== undefined) throw faults.error;
  };
  const store: WritableKeyStore = {
    async findKey(kid) {
      await enter('findKey');
      return records.get(kid) ?? null;
    },
    async putKey(record, expectedVersion) {
      await enter('putKey');
      await faults.beforePut?.(record);
      if ((records.get(record.kid)?.version ?? 0) !== expectedVersion) return false;
      records.set(record.kid, structuredClone(record));
      return true;
    },
    async listKeys(query) {
      await enter('listKeys');
      faults.beforeList?.(query);
      const { team, project, owner, active, unusedSinceMs, after = '', limit = 100 } = query;
      return [...records.values()]
        .filter(
          (record) =>
            record.kid > after &&
            (team === undefined || record.team === team) &&
            (project === undefined || record.project === project) &&
            (owner === undefined || record.owner === owner) &&
            (active !== true || record.revokedAtMs === undefined) &&
            (unusedSinceMs === undefined || (record.lastUsedAtMs ?? record.createdAtMs) < unusedSinceMs),
        )
        .sort((one, other) => (one.kid < other.kid ? -1 : 1))
        .slice(0, limit);
    },
    watchKeys: () => async () => {},
    async noteUses(batch) {
      await enter('noteUses');
      uses.push([...batch]);
    },
  };
  return { store, records, faults, calls, uses };
}
