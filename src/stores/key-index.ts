import type { KeyQuery, KeyRecord } from './key-store.ts';
import { requirePageSize } from './page.ts';

/** Keys in memory, by kid and in order. Callers freeze records before they set them. */
export interface KeyIndex {
  readonly size: number;
  get(kid: string): KeyRecord | undefined;
  set(record: KeyRecord): void;
  delete(kid: string): boolean;
  /** In the order in which the kids were first set. */
  values(): IterableIterator<KeyRecord>;
  /** @throws TypeError when `limit` is not an integer from 1 to 1,000 */
  list(query: KeyQuery): KeyRecord[];
}

/** Finds by map; lists from a sorted array of kids, rebuilt only after one was added or removed. */
export function createKeyIndex(records: Iterable<KeyRecord> = []): KeyIndex {
  const byKid = new Map<string, KeyRecord>();
  let sorted: string[] | undefined;
  for (const record of records) byKid.set(record.kid, record);
  return {
    get size() {
      return byKid.size;
    },
    get: (kid) => byKid.get(kid),
    set(record) {
      if (!byKid.has(record.kid)) sorted = undefined;
      byKid.set(record.kid, record);
    },
    delete(kid) {
      sorted = undefined;
      return byKid.delete(kid);
    },
    values: () => byKid.values(),
    list(query) {
      const limit = requirePageSize('listKeys', query.limit);
      sorted ??= [...byKid.keys()].sort();
      const found: KeyRecord[] = [];
      for (
        let at = query.after === undefined ? 0 : firstBehind(sorted, query.after);
        at < sorted.length;
        at++
      ) {
        const record = byKid.get(sorted[at] as string);
        if (record === undefined || !isWanted(record, query)) continue;
        found.push(record);
        if (found.length === limit) break;
      }
      return found;
    },
  };
}

/** Index of the first string that sorts after `after`. */
export function firstBehind(sorted: readonly string[], after: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

function isWanted(record: KeyRecord, query: KeyQuery): boolean {
  if (query.team !== undefined && record.team !== query.team) return false;
  if (query.project !== undefined && record.project !== query.project) return false;
  if (query.owner !== undefined && record.owner !== query.owner) return false;
  if (query.active && record.revokedAtMs !== undefined) return false;
  if (query.unusedSinceMs === undefined) return true;
  return (record.lastUsedAtMs ?? record.createdAtMs) < query.unusedSinceMs;
}
