import assert from 'node:assert/strict';
import type { ConfigStore, NewConfigVersion } from '../../stores/config-store.ts';
import { bigConfig, everyConfig, sampleVersion } from './config-store-samples.ts';
import { type StoreCase, spoil } from './store-case.ts';

async function append(store: ConfigStore, count: number): Promise<void> {
  const from = await store.readNumber();
  for (let index = 0; index < count; index++) {
    const stored = await store.appendVersion(sampleVersion(`v${from + index + 1}`), from + index);
    assert.equal(stored?.number, from + index + 1);
  }
}

/** The methods of `ConfigStore` without watching. */
export const configCases: readonly StoreCase<ConfigStore>[] = [
  {
    name: 'says null, null, 0 and an empty list while there is no version',
    async run({ store }) {
      assert.equal(await store.readLatest(), null);
      assert.equal(await store.readVersion(1), null);
      assert.equal(await store.readNumber(), 0);
      assert.deepEqual(await store.listVersions(), []);
    },
  },
  {
    name: 'appends versions 1, 2, 3, resolves to each as it is stored, and shows it on every node from then on',
    async run({ store, second }) {
      const other = await second();
      for (const number of [1, 2, 3]) {
        const version = sampleVersion(`v${number}`);
        const [writer, reader] = number % 2 ? [store, other] : [other, store];
        await reader.readLatest();
        assert.deepEqual(await writer.appendVersion(version, number - 1), { ...version, number });
        for (const node of [writer, reader]) {
          assert.deepEqual(await node.readLatest(), { ...version, number });
          assert.deepEqual(await node.readVersion(number), { ...version, number });
          assert.equal(await node.readNumber(), number);
        }
      }
    },
  },
  {
    name: 'leaves out the message of a version that has none',
    async run({ store, second }) {
      const { message: _message, ...version } = sampleVersion('v1');
      await store.appendVersion(version, 0);
      assert.deepEqual(await (await second()).readLatest(), { ...version, number: 1 });
      const [info] = await store.listVersions();
      assert.equal(Object.hasOwn(info as object, 'message'), false);
    },
  },
  {
    name: 'gives back a configuration with everything in it exactly, the order of the names and any text too',
    async run({ store, second }) {
      const version: NewConfigVersion = {
        ...sampleVersion('v1'),
        config: everyConfig,
        author: `O'Brien "root" <ünïcode@例え.jp> 🔑 \\ %s ${'x'.repeat(100)}`,
        message: "first\nsecond\tline; it's '' \\' -- /* */ 𝄞",
      };
      await store.appendVersion(version, 0);
      const read = await (await second()).readLatest();
      assert.deepEqual(read, { ...version, number: 1 });
      assert.equal(JSON.stringify(read?.config), JSON.stringify(everyConfig));
    },
  },
  {
    name: 'gives back a configuration of a megabyte exactly',
    async run({ store, second }) {
      const config = bigConfig();
      const text = JSON.stringify(config);
      assert.ok(text.length > 1_000_000);
      await store.appendVersion({ ...sampleVersion('big'), config }, 0);
      const other = await second();
      assert.equal(JSON.stringify((await other.readLatest())?.config), text);
      assert.equal(JSON.stringify((await other.readVersion(1))?.config), text);
      assert.equal(await other.readNumber(), 1);
    },
  },
  {
    name: 'appends nothing, and says null, when the expected number is not the latest',
    async run({ store, second }) {
      const other = await second();
      assert.equal(await store.appendVersion(sampleVersion('too early'), 1), null);
      assert.equal(await store.readLatest(), null);
      await append(store, 3);
      for (const expected of [0, 1, 2, 4, 9]) {
        for (const node of [store, other]) {
          assert.equal(
            await node.appendVersion(sampleVersion('wrong'), expected),
            null,
            `behind ${expected}`,
          );
        }
      }
      assert.equal(await store.readNumber(), 3);
      assert.equal((await store.readLatest())?.message, 'why v3');
      assert.equal(await store.readVersion(4), null);
    },
  },
  {
    name: 'lets exactly one of twenty concurrent writers on two nodes append each version',
    async run({ store, second }) {
      const nodes = [store, await second()] as const;
      for (const number of [1, 2, 3]) {
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, writer) =>
            nodes[writer % 2 ? 1 : 0].appendVersion(sampleVersion(`v${number} by ${writer}`), number - 1),
          ),
        );
        const won = results.filter((result) => result !== null);
        assert.equal(won.length, 1, `winners of version ${number}`);
        for (const node of nodes) {
          assert.deepEqual(await node.readLatest(), won[0]);
          assert.equal(await node.readNumber(), number);
        }
      }
      assert.deepEqual(
        (await store.listVersions()).map(({ number }) => number),
        [3, 2, 1],
      );
    },
  },
  {
    name: 'keeps old versions as they were',
    async run({ store, second }) {
      await append(store, 5);
      const other = await second();
      for (const number of [1, 2, 3, 4, 5]) {
        assert.deepEqual(await other.readVersion(number), { ...sampleVersion(`v${number}`), number });
      }
    },
  },
  {
    name: 'says null for a number that no version has',
    async run({ store }) {
      await append(store, 2);
      for (const number of [0, 3, -1, 1.5, 4_294_967_297, Number.MAX_SAFE_INTEGER]) {
        assert.equal(await store.readVersion(number), null, String(number));
      }
    },
  },
  {
    name: 'lists newest first, without the configurations, below a number, as many as asked, 100 by default',
    async run({ store, second }) {
      await append(store, 12);
      const numbers = async (query?: Parameters<ConfigStore['listVersions']>[0]) =>
        (await store.listVersions(query)).map(({ number }) => number);
      assert.deepEqual(await numbers(), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
      assert.deepEqual(await numbers({ limit: 3 }), [12, 11, 10]);
      assert.deepEqual(await numbers({ before: 10, limit: 3 }), [9, 8, 7]);
      assert.deepEqual(await numbers({ before: 3 }), [2, 1]);
      assert.deepEqual(await numbers({ before: 1 }), []);
      assert.equal((await numbers({ before: 1_000_000, limit: 1_000 })).length, 12);
      const { config: _config, ...info } = sampleVersion('v12');
      assert.deepEqual(await (await second()).listVersions({ limit: 1 }), [{ ...info, number: 12 }]);
    },
  },
  {
    name: 'keeps nothing that its callers can change: neither what was appended nor what was read',
    async run({ store }) {
      const version = structuredClone({ ...sampleVersion('v1'), config: everyConfig });
      const expected = { ...structuredClone(version), number: 1 };
      const stored = await store.appendVersion(version, 0);
      Object.assign(version, { author: 'intruder' });
      const [listed] = await store.listVersions();
      const spoilt = [version, stored, await store.readLatest(), await store.readVersion(1), listed];
      for (const each of spoilt as (NewConfigVersion | null)[]) {
        spoil(() => Object.assign(each?.config.models as object, { intruder: { targets: ['openai'] } }));
        spoil(() => Object.assign(each as object, { author: 'intruder' }));
        spoil(() => delete (each as { config?: unknown }).config);
        assert.deepEqual(await store.readLatest(), expected);
        assert.deepEqual(await store.readVersion(1), expected);
        assert.equal((await store.listVersions())[0]?.author, expected.author);
      }
    },
  },
  {
    name: 'never shows a reader an older version than it has seen, nor half of one, while another node appends',
    async run({ store, second }) {
      const other = await second();
      await append(store, 1);
      let isWriting = true;
      const read = async () => {
        let seen = 1;
        while (isWriting) {
          const latest = await store.readLatest();
          const number = latest?.number ?? 0;
          assert.ok(number >= seen, `version ${number} after ${seen}`);
          assert.deepEqual(latest, { ...sampleVersion(`v${number}`), number });
          seen = number;
          assert.ok((await store.readNumber()) >= seen);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const reading = Promise.all([read(), read()]);
      await append(other, 15).finally(() => {
        isWriting = false;
      });
      await reading;
      assert.equal(await store.readNumber(), 16);
    },
  },
];
