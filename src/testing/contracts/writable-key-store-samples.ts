import assert from 'node:assert/strict';
import type { KeyRecord, WritableKeyStore } from '../../stores/key-store.ts';
import { sampleRecord } from './key-store-samples.ts';

/** A record that can be put. */
export type VersionedRecord = KeyRecord & { readonly version: number };

/** The record as the given version. */
export function versioned<Some extends KeyRecord>(record: Some, version: number): Some & VersionedRecord {
  return { ...record, version };
}

/** Puts a key that must not exist yet. */
export async function putNew(store: WritableKeyStore, record: KeyRecord): Promise<void> {
  assert.equal(await store.putKey(versioned(record, 1), 0), true, `${record.kid} is new`);
}

/** Reads a key (or begins one), changes it and puts it, and retries until no other writer is faster. */
export async function changeKey(
  store: WritableKeyStore,
  kid: string,
  change: (record: KeyRecord) => KeyRecord,
): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await store.findKey(kid);
    const version = found?.version ?? 0;
    if (await store.putKey(versioned(change(found ?? sampleRecord(kid)), version + 1), version)) return;
  }
  assert.fail(`${kid} was changed by others 500 times while one writer tried`);
}
