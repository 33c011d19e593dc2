import { createKeyIndex, type KeyIndex } from '../key-index.ts';
import type { KeyRecord } from '../key-store.ts';
import type { RecordFormat } from './record-file.ts';
import { parseRecords, printRecords, requireText } from './record-text.ts';

const kind = 'headgate-keys';

/** Keys, one to a line, in the order of their kids. */
export const keyFileFormat: RecordFormat<KeyIndex> = {
  empty: createKeyIndex(),
  parse(text) {
    const { records } = parseRecords(text, kind);
    const index = createKeyIndex();
    for (const [at, record] of records.entries()) {
      const key = requireKey(record, `key number ${at + 1}`);
      if (index.get(key.kid)) throw new Error(`is damaged: two keys have the kid "${key.kid}"`);
      index.set(key);
    }
    return index;
  },
  print: (index) => printRecords(kind, {}, index.values()),
  *compare(before, after) {
    for (const record of after.values()) {
      const known = before.get(record.kid);
      if (known !== record && (!known || !isSameButUse(known, record))) yield record.kid;
    }
    for (const { kid } of before.values()) if (!after.get(kid)) yield kid;
  },
};

function requireKey(record: Record<string, unknown>, where: string): KeyRecord {
  for (const field of ['kid', 'secretHash', 'pepperId', 'team', 'environment', 'last4']) {
    requireText(record, field, where);
  }
  if (!Number.isFinite(record.createdAtMs)) throw new Error(`is damaged: ${where} has no "createdAtMs"`);
  // what decides whether a key is valid must not be a value that compares false with everything
  for (const field of ['expiresAtMs', 'revokedAtMs', 'version', 'lastUsedAtMs', 'previousUsedAtMs']) {
    if (field in record && !Number.isFinite(record[field])) {
      throw new Error(`is damaged: ${where} has a "${field}" that is no number`);
    }
  }
  return record as unknown as KeyRecord;
}

function isSameButUse(one: KeyRecord, other: KeyRecord): boolean {
  if (one.version !== other.version) return false;
  return withoutUse(one) === withoutUse(other);
}

function withoutUse({ lastUsedAtMs: _last, previousUsedAtMs: _previous, ...record }: KeyRecord): string {
  return JSON.stringify(record);
}
