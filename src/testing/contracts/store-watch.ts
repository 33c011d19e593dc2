import assert from 'node:assert/strict';
import type { ChangeListener, Unwatch } from '../../stores/watch.ts';
import { type StoreCase, type StoreHarness, turns, until } from './store-case.ts';

/** What the watch cases need to know about a kind of store. */
export interface Watchable<Store> {
  /** Starts a watch; fails when the store has none. */
  watch(store: Store, listener: ChangeListener): Unwatch;
  /** Changes something that no other `index` changes, or appends; resolves to the id that watchers are told. */
  change(store: Store, index: number): Promise<string>;
}

/** What a listener has heard since it began to listen. */
export interface Ear {
  readonly heard: (string | undefined)[];
  readonly unwatch: Unwatch;
  /** Waits for a call, after the first `from`, that tells of `id` or that anything may have changed. */
  hears(id: string, from: number): Promise<void>;
}

/** Watches, and waits until the watch has begun to listen. */
export async function listen<Store>(
  subject: Watchable<Store>,
  store: Store,
  { patienceMs = 10_000 }: StoreHarness<Store>,
): Promise<Ear> {
  const heard: (string | undefined)[] = [];
  const unwatch = subject.watch(store, (id) => void heard.push(id));
  await until('the call with `undefined` when listening begins', () => heard.includes(undefined), patienceMs);
  const hears = (id: string, from: number) => {
    const isTold = () => heard.slice(from).some((each) => each === id || each === undefined);
    return until(`the call with "${id}"`, isTold, patienceMs);
  };
  return { heard, unwatch, hears };
}

/** The obligations of `watchKeys`, for every kind of store. */
export function watchCases<Store>(subject: Watchable<Store>): readonly StoreCase<Store>[] {
  const needs = ['watch'] as const;
  return [
    {
      name: 'calls a listener with `undefined` when it begins to listen',
      needs,
      async run(harness) {
        const ear = await listen(subject, harness.store, harness);
        assert.equal(ear.heard[0], undefined);
        await ear.unwatch();
      },
    },
    {
      name: 'tells a listener of changes that are made through the same store',
      needs,
      async run(harness) {
        const ear = await listen(subject, harness.store, harness);
        for (let index = 0; index < 3; index++) {
          const from = ear.heard.length;
          await ear.hears(await subject.change(harness.store, index), from);
        }
        await ear.unwatch();
      },
    },
    {
      name: 'tells a listener of changes that another node makes, one after another',
      needs,
      async run(harness) {
        const other = await harness.second();
        const ear = await listen(subject, harness.store, harness);
        for (let index = 0; index < 5; index++) {
          const from = ear.heard.length;
          await ear.hears(await subject.change(other, index), from);
        }
        await ear.unwatch();
      },
    },
    {
      name: 'tells every one of several listeners, on every node, of each change',
      needs,
      async run(harness) {
        const other = await harness.second();
        const stores = [harness.store, other, harness.store, other, harness.store];
        const ears = await Promise.all(stores.map((store) => listen(subject, store, harness)));
        for (let index = 0; index < 3; index++) {
          const from = ears.map(({ heard }) => heard.length);
          const id = await subject.change(index % 2 ? other : harness.store, index);
          await Promise.all(ears.map((ear, at) => ear.hears(id, from[at] as number)));
        }
        await Promise.all(ears.map(({ unwatch }) => unwatch()));
      },
    },
    {
      name: 'calls no listener after its watch was ended, ends a watch twice without harm, and goes on for the others',
      needs,
      async run(harness) {
        const gone = await listen(subject, harness.store, harness);
        const stays = await listen(subject, harness.store, harness);
        const ending = gone.unwatch();
        const before = gone.heard.length;
        const from = stays.heard.length;
        const id = await subject.change(await harness.second(), 0);
        await stays.hears(id, from);
        await turns(5);
        assert.equal(gone.heard.length, before, 'a listener was called after its watch was ended');
        assert.equal(await ending, undefined);
        assert.equal(await gone.unwatch(), undefined);
        await stays.unwatch();
      },
    },
    {
      name: 'can be watched again after every watch was ended',
      needs,
      async run(harness) {
        for (let index = 0; index < 3; index++) {
          const ear = await listen(subject, harness.store, harness);
          const from = ear.heard.length;
          await ear.hears(await subject.change(await harness.second(), index), from);
          await ear.unwatch();
        }
      },
    },
    {
      name: 'keeps a listener that throws from harming the change, the other listeners and the watch',
      needs,
      async run(harness) {
        let calls = 0;
        const unwatch = subject.watch(harness.store, () => {
          calls++;
          throw new Error('A listener that throws.');
        });
        const ear = await listen(subject, harness.store, harness);
        for (let index = 0; index < 3; index++) {
          const from = ear.heard.length;
          await ear.hears(
            await subject.change(index === 1 ? await harness.second() : harness.store, index),
            from,
          );
        }
        await until(
          'the throwing listener to be called again',
          () => calls > 1,
          harness.patienceMs ?? 10_000,
        );
        await Promise.all([unwatch(), ear.unwatch()]);
      },
    },
  ];
}
