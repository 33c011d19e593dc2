import assert from 'node:assert/strict';
import type { KeyRecord, WritableKeyStore } from '../../stores/key-store.ts';
import type { KeyStoreHarness } from './key-store.ts';
import { sampleRecord } from './key-store-samples.ts';
import type { StoreCase, StoreHarness } from './store-case.ts';
import { faultCases } from './store-faults.ts';
import { watchCases } from './store-watch.ts';
import { keyChangeCases } from './writable-key-store-changes.ts';
import { keyClockCases } from './writable-key-store-clock.ts';
import { keyListCases } from './writable-key-store-lists.ts';
import { changeKey, versioned } from './writable-key-store-samples.ts';
import { keyUseCases } from './writable-key-store-uses.ts';

/** A writable key store under test. */
export type WritableKeyStoreHarness = StoreHarness<WritableKeyStore>;

/** One rule of `WritableKeyStore`, as a test. */
export type WritableKeyStoreCase = StoreCase<WritableKeyStore>;

/** A harness for `keyStoreContract`, which a writable key store must pass too. */
export function toKeyStoreHarness(harness: WritableKeyStoreHarness): KeyStoreHarness {
  const { store, breakStore, freeze, slow, failOver } = harness;
  const put = async (record: KeyRecord): Promise<void> => {
    const version = (await store.findKey(record.kid))?.version ?? 0;
    assert.ok(await store.putKey({ ...record, version: version + 1 }, version), 'putKey lost to nobody');
  };
  return {
    store,
    put,
    ...(breakStore && { breakStore }),
    ...(freeze && { freeze }),
    ...(slow && { slow }),
    ...(failOver && { failOver }),
  };
}

const kidOf = (index: number) => `Watched${String(index).padStart(5, '0')}`;

const subject = {
  watch: (store: WritableKeyStore, listener: Parameters<WritableKeyStore['watchKeys']>[0]) =>
    store.watchKeys(listener),
  async change(store: WritableKeyStore, index: number) {
    const kid = kidOf(index);
    await changeKey(store, kid, (record) => ({ ...record, team: 'changed' }));
    return kid;
  },
  calls: (store: WritableKeyStore) =>
    [
      ['findKey of a key that exists', () => store.findKey(kidOf(0))],
      ['findKey of one that does not', () => store.findKey('Zz0000000009')],
      ['listKeys', () => store.listKeys({})],
      ['listKeys of an owner who has none', () => store.listKeys({ owner: 'nobody' })],
      ['putKey', () => store.putKey(versioned(sampleRecord('Unheard00001'), 1), 0)],
      ['putKey that must lose', () => store.putKey(versioned(sampleRecord(kidOf(0)), 1), 0)],
      ['noteUses', () => store.noteUses([{ kid: kidOf(0), usedAtMs: 1, previous: false }])],
    ] as const,
  async check(store: WritableKeyStore) {
    assert.equal((await store.findKey(kidOf(0)))?.kid, kidOf(0), 'the key is there again');
    assert.equal(await store.findKey('Zz0000000009'), null, 'what does not exist is null again');
    const kids = (await store.listKeys({})).map(({ kid }) => kid);
    assert.ok(kids.includes(kidOf(0)), 'the key is listed again');
  },
};

/**
 * What every `WritableKeyStore` must do, for any test runner: each case takes a fresh, empty backend. Such a store
 * passes `keyStoreContract` too, see `toKeyStoreHarness`. Skip a case only for a reason that your test states.
 */
export const writableKeyStoreContract: readonly WritableKeyStoreCase[] = [
  ...keyChangeCases,
  ...keyUseCases,
  ...keyListCases,
  ...keyClockCases,
  ...watchCases(subject),
  ...faultCases(subject),
];
