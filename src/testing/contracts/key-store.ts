import assert from 'node:assert/strict';
import type { KeyRecord, KeyStore } from '../../stores/key-store.ts';
import { keyStoreFaultCases } from './key-store-faults.ts';
import { everyField, hostileKids, sampleRecord, vandalise } from './key-store-samples.ts';
import type { StoreFault } from './store-case.ts';

/** A backend under test, fresh and empty for every case. Its functions are called without `this`. */
export interface KeyStoreHarness {
  readonly store: KeyStore;
  /** Adds the record, or replaces the one with its kid. Resolves once every new read must see it. */
  readonly put: (record: KeyRecord) => void | Promise<void>;
  /** Makes every read fail from now on (connections refused, process killed, …). The result undoes it. */
  readonly breakStore?: () => Undo | Promise<Undo>;
  /** Makes the backend accept reads but answer none (process stopped, packets dropped). The result undoes it. */
  readonly freeze?: () => Undo | Promise<Undo>;
  /** Makes every answer come noticeably later, but well within 5 seconds. The result undoes it. */
  readonly slow?: () => Undo | Promise<Undo>;
  /** Replaces the backend by another server that has everything stored so far. Resolves when that serves. */
  readonly failOver?: () => void | Promise<void>;
}

/** Ends a fault. Resolves when new reads work again. */
export type Undo = () => void | Promise<void>;

/** One rule of the interface, as a test. */
export interface KeyStoreCase {
  readonly name: string;
  /** What the harness must be able to do for this case. `run` fails when it cannot. */
  readonly needs?: StoreFault;
  /** @throws AssertionError when the store breaks the contract */
  run(harness: KeyStoreHarness): Promise<void>;
}

/**
 * What every `KeyStore` must do, for any test runner: each case takes a fresh, empty backend. Skip a case
 * only for a reason that your test states.
 *
 * @example
 * for (const { name, run } of keyStoreContract) {
 *   test(name, () => run(createMyHarness()));
 * }
 */
export const keyStoreContract: readonly KeyStoreCase[] = [
  {
    name: 'finds a key by its public id, every field as it was stored',
    async run({ store, put }) {
      const record = sampleRecord('Aa0000000001', everyField);
      await put(record);
      await put(sampleRecord('Aa0000000002'));
      expectRecord(await store.findKey(record.kid), record);
    },
  },
  {
    name: 'leaves out the fields that a record does not have',
    async run({ store, put }) {
      const record = sampleRecord('Aa0000000001');
      await put(record);
      expectRecord(await store.findKey(record.kid), record);
    },
  },
  {
    name: 'returns null, not undefined, when no such key exists',
    async run({ store, put }) {
      assert.equal(await store.findKey('Aa0000000001'), null, 'in an empty store');
      await put(sampleRecord('Aa0000000001'));
      assert.equal(await store.findKey('Aa0000000002'), null, 'beside another key');
    },
  },
  {
    name: 'takes the id as it is: no other case, no prefix, no padding, no pattern finds a key',
    async run({ store, put }) {
      await put(sampleRecord('AbcdefGH0001'));
      const near = [
        'abcdefgh0001',
        'ABCDEFGH0001',
        'AbcdefGH000',
        'AbcdefGH00011',
        ' AbcdefGH0001',
        'AbcdefGH0001 ',
      ];
      for (const kid of [...near, 'AbcdefGH000_', 'Abcdef%', '*', '%', '']) {
        assert.equal(await store.findKey(kid), null, JSON.stringify(kid));
      }
    },
  },
  {
    name: 'returns null for an id that is made to do harm',
    async run({ store, put }) {
      await put(sampleRecord('Aa0000000001'));
      for (const kid of hostileKids) assert.equal(await store.findKey(kid), null, JSON.stringify(kid));
      assert.notEqual(await store.findKey('Aa0000000001'), null, 'the key is still there');
    },
  },
  {
    name: 'returns a revoked key as it is',
    async run({ store, put }) {
      const record = sampleRecord('Aa0000000001', { revokedAtMs: 1_700_000_000_123 });
      await put(record);
      expectRecord(await store.findKey(record.kid), record);
    },
  },
  {
    name: 'returns an expired key as it is',
    async run({ store, put }) {
      const record = sampleRecord('Aa0000000001', { expiresAtMs: 1 });
      await put(record);
      expectRecord(await store.findKey(record.kid), record);
    },
  },
  {
    name: 'shows a change to every read that begins after it',
    async run({ store, put }) {
      const record = sampleRecord('Aa0000000001');
      await put(record);
      for (let revokedAtMs = 1; revokedAtMs <= 20; revokedAtMs++) {
        await store.findKey(record.kid);
        await put({ ...record, revokedAtMs });
        assert.equal((await store.findKey(record.kid))?.revokedAtMs, revokedAtMs);
      }
    },
  },
  {
    name: 'does not change a record that it has returned when the key is changed',
    async run({ store, put }) {
      const original = sampleRecord('Aa0000000001', everyField);
      await put(original);
      const returned = present(await store.findKey(original.kid));
      const before = structuredClone(returned);
      await put({ ...original, team: 'other', models: [], labels: { a: 'changed' }, revokedAtMs: 5 });
      await store.findKey(original.kid);
      assert.deepEqual(returned, before);
    },
  },
  {
    name: 'keeps nothing that its callers can change: neither what was stored nor what was returned',
    async run({ store, put }) {
      const stored = structuredClone(sampleRecord('Aa0000000001', everyField));
      const expected = structuredClone(stored);
      await put(stored);
      vandalise(stored);
      expectRecord(await store.findKey(expected.kid), expected, 'after changing what was stored');
      vandalise(present(await store.findKey(expected.kid)));
      expectRecord(await store.findKey(expected.kid), expected, 'after changing what was returned');
    },
  },
  {
    name: 'answers concurrent reads each with its own record',
    async run({ store, put }) {
      const kids = Array.from({ length: 40 }, (_, index) => `Concurrent${String(index).padStart(2, '0')}`);
      for (const kid of kids.filter(isEven)) await put(sampleRecord(kid, { team: `team of ${kid}` }));
      const asked = Array.from({ length: 10 }, () => kids).flat();
      const answers = await Promise.all(asked.map((kid) => store.findKey(kid)));
      answers.forEach((answer, index) => {
        const kid = asked[index] as string;
        const team = isEven(kid) ? `team of ${kid}` : undefined;
        assert.equal(answer?.team, team, `answer ${index}, to ${kid}`);
        assert.equal(answer?.kid, team && kid, `answer ${index}, to ${kid}`);
      });
    },
  },
  {
    name: 'answers reads that run beside a change with the record before it or after it, never a mixture',
    async run({ store, put }) {
      const record = sampleRecord('Aa0000000001');
      const versions = Array.from({ length: 20 }, (_, index) => ({
        ...record,
        team: `team ${index}`,
        last4: String(index).padStart(4, '0'),
        labels: { version: String(index) },
      }));
      await put(versions[0] as KeyRecord);
      const reads: Promise<KeyRecord | null>[] = [];
      for (const version of versions) {
        reads.push(store.findKey(record.kid));
        const writing = put(version);
        reads.push(store.findKey(record.kid));
        await writing;
      }
      for (const found of await Promise.all(reads)) {
        const read = present(found);
        expectRecord(read, versions[Number(read.labels?.version)]);
      }
    },
  },
  ...keyStoreFaultCases,
];

/** A store that versions its records adds a version to one put without. */
function expectRecord(found: KeyRecord | null, expected: KeyRecord | undefined, message?: string): void {
  const { version, ...rest } = present(found);
  assert.deepEqual(expected?.version === undefined ? rest : { ...rest, version }, expected, message);
}

function present(record: KeyRecord | null): KeyRecord {
  assert.ok(record, 'the key exists and must be found');
  return record;
}

function isEven(kid: string): boolean {
  return Number(kid.slice(-1)) % 2 === 0;
}
