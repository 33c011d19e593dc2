import assert from 'node:assert/strict';
import type { WritableKeyStore } from '../../stores/key-store.ts';
import { sampleRecord } from './key-store-samples.ts';
import { type StoreCase, until } from './store-case.ts';
import { putNew, versioned } from './writable-key-store-samples.ts';

const kid = 'Aa0000000001';

/** `noteUses`, and what `putKey` does about uses. */
export const keyUseCases: readonly StoreCase<WritableKeyStore>[] = [
  {
    name: 'notes a use, of the previous secret as one of the key too, in finds and in lists, on every node',
    async run({ store, second }) {
      await putNew(store, sampleRecord(kid));
      await store.noteUses([{ kid, usedAtMs: 100, previous: false }]);
      const used = versioned(sampleRecord(kid, { lastUsedAtMs: 100 }), 1);
      for (const node of [store, await second()]) {
        assert.deepEqual(await node.findKey(kid), used);
        assert.deepEqual(await node.listKeys({}), [used]);
      }
      await store.noteUses([{ kid, usedAtMs: 200, previous: true }]);
      const both = { ...used, lastUsedAtMs: 200, previousUsedAtMs: 200 };
      for (const node of [store, await second()]) {
        assert.deepEqual(await node.findKey(kid), both);
        assert.deepEqual(await node.listKeys({}), [both]);
      }
    },
  },
  {
    name: 'moves a time of use only forward, whatever the order, also within one call and from two nodes at once',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      await putNew(store, sampleRecord(kid));
      const use = (usedAtMs: number, previous: boolean) => ({ kid, usedAtMs, previous });
      await store.noteUses([use(500, false), use(700, false), use(600, false)]);
      await store.noteUses([use(400, false), use(300, true), use(200, true)]);
      const found = await store.findKey(kid);
      assert.deepEqual([found?.lastUsedAtMs, found?.previousUsedAtMs], [700, 300]);
      const times = Array.from({ length: 30 }, (_, index) => 1_000 + ((index * 17) % 30));
      await Promise.all(
        times.map((ms, index) => nodes[index % 2 ? 1 : 0].noteUses([use(ms, index % 3 === 0)])),
      );
      for (const node of nodes) assert.equal((await node.findKey(kid))?.lastUsedAtMs, 1_029);
    },
  },
  {
    name: 'does not change the version with a use, so that a change that was being made still wins',
    async run({ store }) {
      await putNew(store, sampleRecord(kid));
      await store.noteUses([{ kid, usedAtMs: 100, previous: false }]);
      assert.equal((await store.findKey(kid))?.version, 1);
      assert.equal(await store.putKey(versioned(sampleRecord(kid, { team: 'new' }), 2), 1), true);
    },
  },
  {
    name: 'ignores uses of keys that do not exist, makes none of them, and notes those beside them',
    async run({ store }) {
      await putNew(store, sampleRecord(kid));
      const strangers = ['Zz0000000009', '', "'; --", '__proto__', 'constructor'];
      await store.noteUses(
        [...strangers, kid].map((each) => ({ kid: each, usedAtMs: 100, previous: false })),
      );
      await store.noteUses([]);
      assert.deepEqual(await store.listKeys({}), [versioned(sampleRecord(kid, { lastUsedAtMs: 100 }), 1)]);
      for (const each of strangers) assert.equal(await store.findKey(each), null);
      await putNew(store, sampleRecord('Zz0000000009'));
      const made = await store.findKey('Zz0000000009');
      assert.equal(made?.lastUsedAtMs, undefined, 'a key has no uses from before it was made');
    },
  },
  {
    name: 'keeps times of use when a record is put with older ones or with none, and takes newer ones',
    async run({ store }) {
      await putNew(store, sampleRecord(kid));
      await store.noteUses([{ kid, usedAtMs: 300, previous: true }]);
      await store.noteUses([{ kid, usedAtMs: 500, previous: false }]);
      const times = async () => {
        const found = await store.findKey(kid);
        return [found?.lastUsedAtMs, found?.previousUsedAtMs];
      };
      await store.putKey(versioned(sampleRecord(kid), 2), 1);
      assert.deepEqual(await times(), [500, 300], 'put with none');
      const older = { lastUsedAtMs: 499, previousUsedAtMs: 1 };
      await store.putKey(versioned(sampleRecord(kid, older), 3), 2);
      assert.deepEqual(await times(), [500, 300], 'put with older ones');
      const newer = { lastUsedAtMs: 501, previousUsedAtMs: 301 };
      await store.putKey(versioned(sampleRecord(kid, newer), 4), 3);
      assert.deepEqual(await times(), [501, 301], 'put with newer ones');
      const lost = { lastUsedAtMs: 900, previousUsedAtMs: 900 };
      assert.equal(await store.putKey(versioned(sampleRecord(kid, lost), 4), 3), false);
      assert.deepEqual(await times(), [501, 301], 'a put that lost');
    },
  },
  {
    name: 'loses neither a use nor a change when both are made at the same time on two nodes',
    async run({ store, second }) {
      const other = await second();
      await putNew(store, sampleRecord(kid));
      const put = async () => {
        for (let version = 2; version <= 16; version++) {
          const record = versioned(sampleRecord(kid, { last4: String(version).padStart(4, '0') }), version);
          assert.equal(await store.putKey(record, version - 1), true, `version ${version}`);
        }
      };
      const use = async () => {
        for (let usedAtMs = 1; usedAtMs <= 15; usedAtMs++) {
          await other.noteUses([{ kid, usedAtMs, previous: false }]);
        }
      };
      await Promise.all([put(), use()]);
      const expected = versioned(sampleRecord(kid, { last4: '0016', lastUsedAtMs: 15 }), 16);
      assert.deepEqual(await store.findKey(kid), expected);
    },
  },
  {
    name: 'notes a thousand uses in one call',
    async run({ store }) {
      const kids = Array.from({ length: 20 }, (_, index) => `Used${String(index).padStart(8, '0')}`);
      for (const each of kids) await putNew(store, sampleRecord(each));
      const uses = Array.from({ length: 1_000 }, (_, index) => ({
        kid: kids[index % 20] as string,
        usedAtMs: index,
        previous: false,
      }));
      await store.noteUses(uses);
      const listed = await store.listKeys({});
      assert.deepEqual(
        listed.map(({ lastUsedAtMs }) => lastUsedAtMs),
        kids.map((_, index) => 980 + index),
      );
    },
  },
  {
    name: 'tells watchers of changes and not of uses',
    needs: ['watch'],
    async run({ store, second, patienceMs = 10_000 }) {
      const other = await second();
      for (const each of ['Used00000001', 'Changed00001']) await putNew(store, sampleRecord(each));
      const heard: (string | undefined)[] = [];
      const unwatch = store.watchKeys((id) => void heard.push(id));
      await until(
        'the call with `undefined` when listening begins',
        () => heard.includes(undefined),
        patienceMs,
      );
      const from = heard.length;
      for (const node of [store, other]) {
        await node.noteUses([{ kid: 'Used00000001', usedAtMs: 7, previous: false }]);
      }
      await other.putKey(versioned(sampleRecord('Changed00001'), 2), 1);
      const isTold = () => heard.slice(from).some((id) => id === 'Changed00001' || id === undefined);
      await until('the change behind the uses', isTold, patienceMs);
      assert.ok(!heard.includes('Used00000001'), 'a use was told to watchers');
      await unwatch();
    },
  },
];
