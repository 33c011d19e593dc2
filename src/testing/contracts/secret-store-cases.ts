import assert from 'node:assert/strict';
import type { SecretStore } from '../../stores/secret-store.ts';
import { hostileTexts } from './key-store-samples.ts';
import { idsOf, sampleSecret } from './secret-store-samples.ts';
import { expectPage, inBatches, type StoreCase, spoil } from './store-case.ts';

async function putNew(store: SecretStore, id: string): Promise<void> {
  assert.equal(await store.putSecret(sampleSecret(id), 0), true, `${id} is new`);
}

/** The methods of `SecretStore` without watching. */
export const secretCases: readonly StoreCase<SecretStore>[] = [
  {
    name: 'says null and an empty list, and has a stamp, while there is no secret',
    async run({ store }) {
      assert.equal(await store.findSecret('openai'), null);
      assert.deepEqual(await store.listSecrets({ limit: 100 }), []);
      assert.ok(Number.isSafeInteger(await store.readSecretsStamp()));
    },
  },
  {
    name: 'keeps every field as it was stored, and leaves out those that a record does not have, on every node',
    async run({ store, second }) {
      const full = sampleSecret('byok:users/ana_1.A-z', {
        scope: 'user',
        subject: 'Ana Ólafsdóttir <ana@example.com>',
        label: 'her own',
        createdBy: 'root',
        sealed: 'x'.repeat(16_384),
      });
      const bare = sampleSecret('openai');
      await store.putSecret(full, 0);
      await store.putSecret(bare, 0);
      for (const node of [store, await second()]) {
        assert.deepEqual(await node.findSecret(full.id), full);
        assert.deepEqual(await node.findSecret(bare.id), bare);
        assert.deepEqual(await node.listSecrets({ limit: 10 }), [full, bare]);
      }
    },
  },
  {
    name: 'takes any text in any field for what it is',
    async run({ store, second }) {
      const records = hostileTexts.map((text, index) =>
        sampleSecret(`hostile-${String(index).padStart(3, '0')}`, {
          scope: 'project',
          subject: text,
          label: text,
          createdBy: text,
          provider: text,
          sealed: text,
        }),
      );
      for (const record of records) assert.equal(await store.putSecret(record, 0), true);
      assert.deepEqual(await (await second()).listSecrets({ limit: 1_000 }), records);
    },
  },
  {
    name: 'returns null for an id that is made to do harm or only looks like one that exists',
    async run({ store }) {
      await putNew(store, 'Openai');
      const near = ['openai', 'Openai ', ' Openai', 'Opena', 'Open%', 'Open*', '%', '*', '', "' OR '1'='1"];
      for (const id of [...near, '__proto__', 'constructor', '../Openai', 'Openai/', '🔑'.repeat(20)]) {
        assert.equal(await store.findSecret(id), null, JSON.stringify(id));
      }
    },
  },
  {
    name: 'replaces all of a record that has the expected version, and nothing else',
    async run({ store, second }) {
      await store.putSecret(sampleSecret('openai', { label: 'old' }), 0);
      const newer = sampleSecret('openai', { sealed: 'newer', version: 2, rotatedAtMs: 5 });
      assert.equal(await (await second()).putSecret(newer, 1), true);
      for (const expected of [0, 1, 3, 8]) {
        const wrong = sampleSecret('openai', { sealed: 'wrong', version: expected + 1 });
        assert.equal(await store.putSecret(wrong, expected), false, `expected version ${expected}`);
      }
      assert.equal(await store.putSecret(sampleSecret('absent', { version: 2 }), 1), false);
      assert.deepEqual(await store.findSecret('openai'), newer);
      assert.equal(await store.findSecret('absent'), null);
    },
  },
  {
    name: 'rejects a record whose version does not follow the expected one with a TypeError, and stores nothing',
    async run({ store }) {
      for (const [version, expected] of [
        [0, 0],
        [2, 0],
        [1, 1],
        [Number.NaN, 0],
        [1.5, 0.5],
        [0, -1],
      ] as const) {
        const put = async () => store.putSecret(sampleSecret('openai', { version }), expected);
        await assert.rejects(put, TypeError, `version ${version} behind ${expected}`);
      }
      assert.equal(await store.findSecret('openai'), null);
    },
  },
  {
    name: 'lets exactly one of fifty concurrent writers on two nodes win each version',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      for (const version of [1, 2, 3]) {
        const records = Array.from({ length: 50 }, (_, writer) =>
          sampleSecret('openai', { sealed: `${version} by ${writer}`, version }),
        );
        const results = await Promise.all(
          records.map((record, writer) => nodes[writer % 2 ? 1 : 0].putSecret(record, version - 1)),
        );
        assert.equal(results.filter(Boolean).length, 1, `winners of version ${version}`);
        for (const node of nodes) {
          assert.deepEqual(await node.findSecret('openai'), records[results.indexOf(true)]);
        }
      }
    },
  },
  {
    name: 'removes a record that has the expected version, once, and says so; then the id is free',
    async run({ store, second }) {
      const other = await second();
      await putNew(store, 'openai');
      await putNew(store, 'openai2');
      for (const expected of [0, 2]) assert.equal(await store.removeSecret('openai', expected), false);
      assert.equal(await store.removeSecret('absent', 1), false);
      assert.equal(await store.removeSecret('absent', 0), false);
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).removeSecret('openai', 1)),
      );
      assert.equal(results.filter(Boolean).length, 1);
      for (const node of [store, other]) {
        assert.equal(await node.findSecret('openai'), null);
        assert.deepEqual(idsOf(await node.listSecrets({ limit: 10 })), ['openai2']);
      }
      assert.equal(await other.putSecret(sampleSecret('openai', { version: 2 }), 1), false);
      await putNew(other, 'openai');
      assert.equal((await store.findSecret('openai'))?.version, 1);
    },
  },
  {
    name: 'lets one of a removal and a replacement of the same version win, never both',
    async run({ store, second }) {
      const other = await second();
      for (let round = 0; round < 10; round++) {
        const id = `contested-${round}`;
        await putNew(store, id);
        const [removed, replaced] = await Promise.all([
          store.removeSecret(id, 1),
          other.putSecret(sampleSecret(id, { version: 2 }), 1),
        ]);
        assert.equal(Number(removed) + Number(replaced), 1, `removed ${removed}, replaced ${replaced}`);
        assert.equal((await store.findSecret(id))?.version, removed ? undefined : 2);
      }
    },
  },
  {
    name: 'lists in the order of the ids by code unit, page by page, without a gap or a repetition',
    async run({ store, second }) {
      const odd = [...'aBbA09-./:_Zz', 'a.b', 'a-b', 'a/b', 'ab'];
      const ids = [...odd, ...Array.from({ length: 230 }, (_, index) => `id-${(index * 37) % 230}`)];
      await inBatches(ids, 20, (id) => putNew(store, id));
      const sorted = [...ids].sort();
      const other = await second();
      for (const limit of [1_000, 100, 19]) {
        const seen: string[] = [];
        for (;;) {
          const after = seen.at(-1);
          const page = idsOf(await other.listSecrets(after === undefined ? { limit } : { after, limit }));
          expectPage(page, limit, after);
          seen.push(...page);
          if (page.length < limit) break;
        }
        assert.deepEqual(seen, sorted, `${limit} at a time`);
      }
      assert.deepEqual(idsOf(await other.listSecrets({ after: '~', limit: 5 })), []);
    },
  },
  {
    name: 'raises the stamp with every change: a new secret, a replaced one, a removed one, one made again',
    async run({ store, second }) {
      const other = await second();
      const stamps = [await store.readSecretsStamp()];
      const changes = [
        () => store.putSecret(sampleSecret('openai'), 0),
        () => other.putSecret(sampleSecret('azure'), 0),
        () => other.putSecret(sampleSecret('openai', { version: 2 }), 1),
        () => store.removeSecret('openai', 2),
        () => other.removeSecret('azure', 1),
        () => store.putSecret(sampleSecret('openai'), 0),
      ];
      for (const [index, change] of changes.entries()) {
        assert.equal(await change(), true);
        const stamp = await (index % 2 ? store : other).readSecretsStamp();
        assert.equal(
          await (index % 2 ? other : store).readSecretsStamp(),
          stamp,
          'every node tells the same stamp',
        );
        assert.ok(stamp > (stamps.at(-1) as number), `stamp ${stamp} after ${stamps.at(-1)}`);
        stamps.push(stamp);
      }
    },
  },
  {
    name: 'keeps nothing that its callers can change',
    async run({ store }) {
      const put = { ...sampleSecret('openai') };
      await store.putSecret(put, 0);
      Object.assign(put, { sealed: 'intruder' });
      const found = await store.findSecret('openai');
      const [listed] = await store.listSecrets({ limit: 1 });
      for (const each of [found, listed]) {
        spoil(() => Object.assign(each as object, { sealed: 'intruder' }));
      }
      assert.deepEqual(await store.findSecret('openai'), sampleSecret('openai'));
      assert.deepEqual(await store.listSecrets({ limit: 1 }), [sampleSecret('openai')]);
    },
  },
];
