import assert from 'node:assert/strict';
import type { WritableKeyStore } from '../../stores/key-store.ts';
import { everyField, everyNewerField, hostileTexts, sampleRecord } from './key-store-samples.ts';
import { inBatches, type StoreCase, spoil } from './store-case.ts';
import { changeKey, putNew, versioned } from './writable-key-store-samples.ts';

/** `putKey`: one atomic step, seen by all from then on. */
export const keyChangeCases: readonly StoreCase<WritableKeyStore>[] = [
  {
    name: 'stores a new key with version 1 and says so, once',
    async run({ store, second }) {
      const record = versioned(sampleRecord('Aa0000000001'), 1);
      assert.equal(await store.putKey(record, 0), true);
      assert.deepEqual(await store.findKey(record.kid), record);
      assert.equal(await store.putKey({ ...record, team: 'again' }, 0), false);
      assert.equal(await (await second()).putKey({ ...record, team: 'elsewhere' }, 0), false);
      assert.deepEqual(await store.findKey(record.kid), record);
    },
  },
  {
    name: 'keeps every field as it was stored, and leaves out those that a record does not have',
    async run({ store, second }) {
      const full = versioned(sampleRecord('Aa0000000001', { ...everyField, ...everyNewerField }), 1);
      const bare = versioned(sampleRecord('Aa0000000002'), 1);
      await store.putKey(full, 0);
      await store.putKey(bare, 0);
      for (const each of [store, await second()]) {
        assert.deepEqual(await each.findKey(full.kid), full);
        assert.deepEqual(await each.findKey(bare.kid), bare);
        assert.deepEqual(await each.listKeys({}), [full, bare]);
      }
    },
  },
  {
    name: 'loses the fields that a newer version does not have',
    async run({ store }) {
      await store.putKey(versioned(sampleRecord('Aa0000000001', everyField), 1), 0);
      const bare = versioned(sampleRecord('Aa0000000001'), 2);
      await store.putKey(bare, 1);
      assert.deepEqual(await store.findKey(bare.kid), bare);
    },
  },
  {
    name: 'takes any text in any field for what it is',
    async run({ store, second }) {
      const records = hostileTexts.map((text, index) =>
        versioned(
          sampleRecord(`Hostile${String(index).padStart(5, '0')}`, {
            owner: text,
            project: text,
            application: text,
            name: text,
            createdBy: text,
            models: [text, '*'],
            labels: { label: text, [text.slice(0, 40).replace('__proto__', 'proto')]: 'name' },
          }),
          1,
        ),
      );
      for (const record of records) assert.equal(await store.putKey(record, 0), true);
      const other = await second();
      for (const record of records) assert.deepEqual(await other.findKey(record.kid), record);
      assert.deepEqual(await other.listKeys({}), records);
    },
  },
  {
    name: 'keeps a record with a hundred labels and a hundred patterns',
    async run({ store, second }) {
      const entries = Array.from({ length: 100 }, (_, index) => [`label ${index}`, `${index}`.repeat(100)]);
      const models = Array.from({ length: 100 }, (_, index) => `vendor-${index}/model-*`);
      const record = versioned(
        sampleRecord('Aa0000000001', { labels: Object.fromEntries(entries), models }),
        1,
      );
      await store.putKey(record, 0);
      assert.deepEqual(await (await second()).findKey(record.kid), record);
    },
  },
  {
    name: 'stores nothing when the expected version is not the stored one, older, newer or of no key',
    async run({ store }) {
      const record = sampleRecord('Aa0000000001');
      for (const version of [1, 2, 3]) await store.putKey(versioned(record, version), version - 1);
      const before = await store.findKey(record.kid);
      for (const expected of [0, 1, 2, 4, 7]) {
        const wrong = versioned({ ...record, team: 'wrong' }, expected + 1);
        assert.equal(await store.putKey(wrong, expected), false, `expected version ${expected}`);
      }
      assert.equal(await store.putKey(versioned(sampleRecord('Bb0000000002'), 2), 1), false, 'of no key');
      assert.deepEqual(await store.findKey(record.kid), before);
      assert.equal(await store.findKey('Bb0000000002'), null);
      assert.deepEqual(await store.listKeys({}), [before]);
    },
  },
  {
    name: 'rejects a record whose version does not follow the expected one with a TypeError, and stores nothing',
    async run({ store }) {
      const record = sampleRecord('Aa0000000001');
      for (const [version, expected] of [
        [0, 0],
        [2, 0],
        [1, 1],
        [undefined as never, 0],
        [Number.NaN, 0],
        [1.5, 0.5],
        [0, -1],
      ] as const) {
        const put = async () => store.putKey(versioned(record, version), expected);
        await assert.rejects(put, TypeError, `version ${version} behind ${expected}`);
      }
      assert.equal(await store.findKey(record.kid), null);
    },
  },
  {
    name: 'lets exactly one of fifty concurrent writers on two nodes win each version, and keeps what that one wrote',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      for (const version of [1, 2, 3, 4]) {
        const records = Array.from({ length: 50 }, (_, writer) =>
          versioned(sampleRecord('Aa0000000001', { team: `team-${version}-${writer}` }), version),
        );
        const results = await Promise.all(
          records.map((record, writer) => nodes[writer % 2 ? 1 : 0].putKey(record, version - 1)),
        );
        assert.equal(results.filter(Boolean).length, 1, `winners of version ${version}`);
        const won = records[results.indexOf(true)];
        for (const node of nodes) assert.deepEqual(await node.findKey('Aa0000000001'), won);
      }
    },
  },
  {
    name: 'loses no update when concurrent writers on two nodes each try until they win',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      await putNew(store, sampleRecord('Aa0000000001', { labels: {} }));
      const writers = Array.from({ length: 12 }, (_, writer) => writer);
      await Promise.all(
        writers.map((writer) =>
          changeKey(nodes[writer % 2 ? 1 : 0], 'Aa0000000001', (record) => ({
            ...record,
            labels: { ...record.labels, [`writer ${writer}`]: 'was here' },
          })),
        ),
      );
      const found = await store.findKey('Aa0000000001');
      assert.equal(found?.version, 13);
      assert.equal(Object.keys(found.labels ?? {}).length, 12);
    },
  },
  {
    name: 'lets concurrent writers of different keys all win',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      const kids = Array.from({ length: 60 }, (_, index) => `Many${String(index).padStart(8, '0')}`);
      await Promise.all(kids.map((kid, index) => putNew(nodes[index % 2 ? 1 : 0], sampleRecord(kid))));
      const listed = await nodes[1].listKeys({ limit: 1_000 });
      assert.deepEqual(
        listed.map(({ kid }) => kid),
        kids,
      );
    },
  },
  {
    name: 'shows a change to every read on every node that begins after putKey has resolved',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      const record = sampleRecord('Aa0000000001');
      await putNew(store, record);
      for (let version = 2; version <= 21; version++) {
        const [writer, reader] = version % 2 ? [nodes[0], nodes[1]] : [nodes[1], nodes[0]];
        await reader.findKey(record.kid);
        assert.equal(
          await writer.putKey(versioned({ ...record, revokedAtMs: version }, version), version - 1),
          true,
        );
        for (const node of [writer, reader]) {
          assert.equal((await node.findKey(record.kid))?.revokedAtMs, version);
          assert.equal((await node.listKeys({}))[0]?.revokedAtMs, version);
        }
      }
    },
  },
  {
    name: 'never shows a reader an older version than it has seen, while another node writes',
    async run({ store, second }) {
      const other = await second();
      const record = sampleRecord('Aa0000000001');
      await putNew(store, record);
      let isWriting = true;
      const read = async () => {
        let seen = 0;
        while (isWriting) {
          const version = (await store.findKey(record.kid))?.version ?? 0;
          assert.ok(version >= seen, `version ${version} after ${seen}`);
          seen = version;
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const reading = Promise.all([read(), read(), read()]);
      const versions = Array.from({ length: 25 }, (_, index) => index + 2);
      await inBatches(versions, 1, (version) =>
        other.putKey(versioned(record, version), version - 1),
      ).finally(() => {
        isWriting = false;
      });
      await reading;
      assert.equal((await store.findKey(record.kid))?.version, 26);
    },
  },
  {
    name: 'keeps nothing that its callers can change: neither what was put nor what was listed',
    async run({ store }) {
      const put = structuredClone(versioned(sampleRecord('Aa0000000001', everyField), 1));
      const expected = structuredClone(put);
      await store.putKey(put, 0);
      Object.assign(put, { team: 'intruder' });
      Object.assign(put.labels as object, { 'cost-centre': '0' });
      const [listed] = await store.listKeys({});
      assert.deepEqual(listed, expected);
      spoil(() => Object.assign(listed as object, { team: 'intruder' }));
      spoil(() => Object.assign(listed?.models as object, ['*']));
      assert.deepEqual(await store.findKey(expected.kid), expected);
      assert.deepEqual(await store.listKeys({}), [expected]);
    },
  },
];
