import type { KeyRecord, KeyUse } from './key-store.ts';

/** @throws TypeError when a record's version does not follow the one it is to replace */
export function requireNextVersion(
  method: string,
  version: number | undefined,
  expectedVersion: number,
): void {
  if (!Number.isSafeInteger(expectedVersion) || expectedVersion < 0) {
    throw new TypeError(`${method}: "expectedVersion" must be an integer of 0 or more.`);
  }
  if (version !== expectedVersion + 1) {
    throw new TypeError(
      `${method}: the record's "version" must be ${expectedVersion + 1}, one more than "expectedVersion", and is ${version}.`,
    );
  }
}

/** The record, with the stored record's times of use where those are newer. */
export function keepUses<Some extends KeyRecord>(record: Some, stored: KeyRecord | undefined): Some {
  const lastUsedAtMs = latest(record.lastUsedAtMs, stored?.lastUsedAtMs);
  const previousUsedAtMs = latest(record.previousUsedAtMs, stored?.previousUsedAtMs);
  return {
    ...record,
    ...(lastUsedAtMs !== undefined && { lastUsedAtMs }),
    ...(previousUsedAtMs !== undefined && { previousUsedAtMs }),
  };
}

/** The record after a use; the same object when that changes nothing. */
export function applyUse(record: KeyRecord, { usedAtMs, previous }: KeyUse): KeyRecord {
  const used = keepUses(record, {
    ...record,
    lastUsedAtMs: usedAtMs,
    ...(previous && { previousUsedAtMs: usedAtMs }),
  });
  const isSame =
    used.lastUsedAtMs === record.lastUsedAtMs && used.previousUsedAtMs === record.previousUsedAtMs;
  return isSame ? record : used;
}

function latest(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}
