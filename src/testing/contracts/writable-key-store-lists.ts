import assert from 'node:assert/strict';
import type { KeyQuery, KeyRecord, WritableKeyStore } from '../../stores/key-store.ts';
import { hostileTexts, sampleRecord } from './key-store-samples.ts';
import { expectPage, inBatches, type StoreCase } from './store-case.ts';
import { putNew, versioned } from './writable-key-store-samples.ts';

const kidsOf = (records: readonly KeyRecord[]) => records.map(({ kid }) => kid);

const numbered = (index: number) => `Page${String(index).padStart(8, '0')}`;

/** Reads all pages, continuing after the last kid of each. */
async function readPages(
  store: WritableKeyStore,
  query: KeyQuery,
  between: (page: number) => Promise<void> = async () => {},
): Promise<string[]> {
  const kids: string[] = [];
  const { limit = 100 } = query;
  for (let page = 0; ; page++) {
    const after = kids.at(-1);
    const found = kidsOf(await store.listKeys(after === undefined ? query : { ...query, after }));
    expectPage(found, limit, after);
    kids.push(...found);
    if (found.length < limit) return kids;
    await between(page);
  }
}

/** `listKeys`. */
export const keyListCases: readonly StoreCase<WritableKeyStore>[] = [
  {
    name: 'lists nothing, as an empty list, when there is nothing to list',
    async run({ store }) {
      assert.deepEqual(await store.listKeys({}), []);
      assert.deepEqual(await store.listKeys({ team: 'web', active: true, after: 'A', limit: 1 }), []);
    },
  },
  {
    name: 'lists in the order of the kids by code unit: digits, upper case, lower case',
    async run({ store }) {
      const kids = ['zz', 'a', 'B', 'b', 'A0', '0', '9z', 'aA', 'aa', 'Z', 'z', 'a0', 'AA', 'Aa', 'A'];
      for (const kid of kids) await putNew(store, sampleRecord(kid));
      const sorted = [...kids].sort();
      assert.deepEqual(kidsOf(await store.listKeys({})), sorted);
      for (const after of ['', '00', 'A', 'AZ', 'Zz', 'a', 'zz', '~']) {
        const behind = sorted.filter((kid) => kid > after);
        assert.deepEqual(kidsOf(await store.listKeys({ after })), behind, `behind ${JSON.stringify(after)}`);
      }
    },
  },
  {
    name: 'lists the keys of a team, of a project, of an owner, and of several at once, exactly',
    async run({ store }) {
      const fields = [
        { team: 'web', project: 'shop', owner: 'ana' },
        { team: 'web', project: 'shop' },
        { team: 'web', owner: 'ana' },
        { team: 'ops', project: 'shop', owner: 'ana' },
        { team: 'Web', project: 'shopping', owner: 'anabel' },
        { team: 'web' },
      ];
      for (const [index, each] of fields.entries()) await putNew(store, sampleRecord(numbered(index), each));
      const expectations: readonly (readonly [KeyQuery, readonly number[]])[] = [
        [{ team: 'web' }, [0, 1, 2, 5]],
        [{ project: 'shop' }, [0, 1, 3]],
        [{ owner: 'ana' }, [0, 2, 3]],
        [{ team: 'web', project: 'shop' }, [0, 1]],
        [{ team: 'web', owner: 'ana' }, [0, 2]],
        [{ team: 'web', project: 'shop', owner: 'ana' }, [0]],
        [{ team: 'ops', owner: 'bob' }, []],
        [{ team: 'we%' }, []],
        [{ owner: '*' }, []],
        [{ owner: '' }, []],
        [{ team: 'web', after: numbered(1) }, [2, 5]],
        [{ project: 'shop', limit: 2 }, [0, 1]],
      ];
      for (const [query, expected] of expectations) {
        assert.deepEqual(kidsOf(await store.listKeys(query)), expected.map(numbered), JSON.stringify(query));
      }
    },
  },
  {
    name: 'takes any text in a condition for what it is',
    async run({ store }) {
      for (const [index, text] of hostileTexts.entries()) {
        await putNew(store, sampleRecord(numbered(index), { owner: text, project: text }));
      }
      for (const [index, text] of hostileTexts.entries()) {
        for (const query of [
          { owner: text },
          { project: text },
          { owner: text, project: text, team: 'web' },
        ]) {
          assert.deepEqual(kidsOf(await store.listKeys(query)), [numbered(index)], JSON.stringify(query));
        }
        assert.deepEqual(await store.listKeys({ team: text }), []);
      }
    },
  },
  {
    name: 'lists a key under what it is now, not under what it was',
    async run({ store, second }) {
      await putNew(store, sampleRecord('Aa0000000001', { team: 'old', owner: 'ana', project: 'p' }));
      await store.putKey(versioned(sampleRecord('Aa0000000001', { team: 'new', owner: 'bob' }), 2), 1);
      for (const node of [store, await second()]) {
        assert.deepEqual(await node.listKeys({ team: 'old' }), []);
        assert.deepEqual(await node.listKeys({ owner: 'ana' }), []);
        assert.deepEqual(await node.listKeys({ project: 'p' }), []);
        assert.deepEqual(kidsOf(await node.listKeys({ team: 'new', owner: 'bob' })), ['Aa0000000001']);
      }
    },
  },
  {
    name: 'lists only keys that are not revoked when asked for active ones, expired ones among them',
    async run({ store }) {
      await putNew(store, sampleRecord('Active000001'));
      await putNew(store, sampleRecord('Expired00001', { expiresAtMs: 1 }));
      await putNew(store, sampleRecord('Revoked00001', { revokedAtMs: 4_102_444_800_000 }));
      await putNew(store, sampleRecord('RevokedLater'));
      await store.putKey(versioned(sampleRecord('RevokedLater', { revokedAtMs: 5 }), 2), 1);
      assert.deepEqual(kidsOf(await store.listKeys({ active: true })), ['Active000001', 'Expired00001']);
      assert.equal((await store.listKeys({ active: false })).length, 4);
      assert.equal((await store.listKeys({})).length, 4);
    },
  },
  {
    name: 'lists keys last used before an instant, and those never used that were created before it',
    async run({ store }) {
      const createdAtMs = 1_000;
      await putNew(store, sampleRecord('NeverNew0001', { createdAtMs: 2_000 }));
      await putNew(store, sampleRecord('NeverOld0001', { createdAtMs }));
      await putNew(store, sampleRecord('UsedLate0001', { createdAtMs }));
      await putNew(store, sampleRecord('UsedLong0001', { createdAtMs }));
      await putNew(store, sampleRecord('UsedPrevious', { createdAtMs }));
      await store.noteUses([
        { kid: 'UsedLate0001', usedAtMs: 3_000, previous: false },
        { kid: 'UsedLong0001', usedAtMs: 1_500, previous: false },
        { kid: 'UsedPrevious', usedAtMs: 3_000, previous: true },
      ]);
      const unused = async (unusedSinceMs: number) => kidsOf(await store.listKeys({ unusedSinceMs }));
      assert.deepEqual(await unused(1_000), []);
      assert.deepEqual(await unused(1_001), ['NeverOld0001']);
      assert.deepEqual(await unused(1_500), ['NeverOld0001']);
      assert.deepEqual(await unused(1_501), ['NeverOld0001', 'UsedLong0001']);
      assert.deepEqual(await unused(3_000), ['NeverNew0001', 'NeverOld0001', 'UsedLong0001']);
      assert.equal((await unused(3_001)).length, 5);
    },
  },
  {
    name: 'lists 2,500 keys page by page without a gap or a repetition, 100 at a time unless told otherwise',
    async run({ store, second }) {
      const kids = Array.from({ length: 2_500 }, (_, index) => numbered((index * 1_237) % 2_500));
      await inBatches(kids, 50, (kid) =>
        putNew(store, sampleRecord(kid, { team: kid.endsWith('0') ? 'tenth' : 'web' })),
      );
      const sorted = [...kids].sort();
      const other = await second();
      assert.deepEqual(await readPages(other, { limit: 1_000 }), sorted);
      assert.deepEqual(await readPages(other, {}), sorted);
      const tenth = sorted.filter((kid) => kid.endsWith('0'));
      assert.deepEqual(await readPages(other, { team: 'tenth', limit: 99 }), tenth);
      assert.equal((await other.listKeys({})).length, 100);
      assert.equal((await other.listKeys({ limit: 1 })).length, 1);
    },
  },
  {
    name: 'lists every key that is there all the time exactly once, while others come between the pages',
    async run({ store, second }) {
      const other = await second();
      const kids = Array.from({ length: 60 }, (_, index) => numbered(index * 10));
      for (const kid of kids) await putNew(store, sampleRecord(kid));
      const seen = await readPages(store, { limit: 7 }, async (page) => {
        await putNew(other, sampleRecord(numbered(page * 50 + 3)));
      });
      assert.deepEqual(
        seen.filter((kid) => kid.endsWith('0')),
        kids,
      );
      assert.equal(new Set(seen).size, seen.length);
    },
  },
];
