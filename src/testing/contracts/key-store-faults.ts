import assert from 'node:assert/strict';
import type { KeyStoreCase } from './key-store.ts';
import { sampleRecord } from './key-store-samples.ts';
import { eventually, partOf, turns } from './store-case.ts';

/** What every `KeyStore` must do while its backend fails, freezes, is slow or fails over. */
export const keyStoreFaultCases: readonly KeyStoreCase[] = [
  {
    name: 'throws while the store cannot tell, for keys that exist and for keys that do not, and recovers',
    needs: 'breakStore',
    async run(harness) {
      const { store, put } = harness;
      await put(sampleRecord('Aa0000000001'));
      await put(sampleRecord('Aa0000000002'));
      await store.findKey('Aa0000000001');
      const mend = await partOf(harness, 'breakStore')();
      for (const kid of ['Aa0000000001', 'Aa0000000002', 'Zz0000000009']) {
        await assert.rejects(async () => store.findKey(kid), Error, `read of ${kid}`);
      }
      await mend();
      assert.equal((await store.findKey('Aa0000000002'))?.kid, 'Aa0000000002');
      assert.equal(await store.findKey('Zz0000000009'), null);
    },
  },
  {
    name: 'throws for each of many concurrent reads that fail',
    needs: 'breakStore',
    async run(harness) {
      const { store, put } = harness;
      await put(sampleRecord('Aa0000000001'));
      const mend = await partOf(harness, 'breakStore')();
      const kids = Array.from({ length: 50 }, (_, index) => (index % 2 ? 'Aa0000000001' : 'Zz0000000009'));
      const ends = await Promise.allSettled(kids.map(async (kid) => store.findKey(kid)));
      assert.deepEqual([...new Set(ends.map((end) => end.status))], ['rejected']);
      await mend();
    },
  },
  {
    name: 'says nothing false about a key while the backend is frozen, and ends every read once it thaws',
    needs: 'freeze',
    async run(harness) {
      const { store, put } = harness;
      await put(sampleRecord('Aa0000000001'));
      const thaw = await partOf(harness, 'freeze')();
      const reads = Array.from({ length: 20 }, async () => store.findKey('Aa0000000001'));
      const ends = Promise.allSettled(reads);
      await turns(20);
      await thaw();
      for (const end of await within(60_000, ends)) {
        if (end.status === 'fulfilled')
          assert.equal(end.value?.kid, 'Aa0000000001', 'a frozen backend is no null');
      }
      assert.equal((await store.findKey('Aa0000000001'))?.kid, 'Aa0000000001');
      assert.equal(await store.findKey('Zz0000000009'), null);
    },
  },
  {
    name: 'answers late and right while the backend is slow, many reads in the time of a few',
    needs: 'slow',
    async run(harness) {
      const { store, put } = harness;
      await put(sampleRecord('Aa0000000001'));
      const mend = await partOf(harness, 'slow')();
      const kids = Array.from({ length: 100 }, (_, index) => (index % 2 ? 'Aa0000000001' : 'Zz0000000009'));
      const reads = Promise.all(kids.map(async (kid) => store.findKey(kid)));
      const answers = await within(60_000, reads).finally(() => mend());
      answers.forEach((answer, index) => {
        if (index % 2) assert.equal(answer?.kid, 'Aa0000000001', `answer ${index}`);
        else assert.equal(answer, null, `answer ${index}`);
      });
    },
  },
  {
    name: 'knows every key after another server has taken over, and says null of none meanwhile',
    needs: 'failOver',
    async run(harness) {
      const { store, put } = harness;
      const kid = 'Aa0000000001';
      await put(sampleRecord(kid));
      await store.findKey(kid);
      let isOver = false;
      let denials = 0;
      const ask = async (): Promise<void> => {
        while (!isOver) {
          if ((await store.findKey(kid).catch(() => undefined)) === null) denials++;
          await turns(1);
        }
      };
      const asking = ask();
      try {
        await partOf(harness, 'failOver')();
        await eventually(async () => {
          assert.equal((await store.findKey(kid))?.kid, kid);
        }, 60_000);
      } finally {
        isOver = true;
        await asking;
      }
      assert.equal(denials, 0, 'a key that exists was said to be absent');
      assert.equal(await store.findKey('Zz0000000009'), null);
    },
  },
];

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `not ended after ${ms} ms` })), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
