import assert from 'node:assert/strict';
import { eventually, lateness, partOf, rejectsWithin, type StoreCase, until } from './store-case.ts';
import { listen, type Watchable } from './store-watch.ts';

/** What the fault cases need to know about a kind of store. */
export interface Breakable<Store> extends Watchable<Store> {
  /** One call of each method, on what `change(store, 0)` has made and on what is missing. */
  calls(store: Store): readonly (readonly [name: string, call: () => Promise<unknown>])[];
  /** @throws AssertionError unless what `change(store, 0)` has made is there, complete */
  check(store: Store): Promise<void>;
}

/** What every store must do when its backend fails or freezes. */
export function faultCases<Store>(subject: Breakable<Store>): readonly StoreCase<Store>[] {
  return [
    {
      name: 'throws from every method while the store cannot tell, for what exists and what does not, and recovers',
      needs: ['breakStore'],
      async run(harness) {
        const { store, deadlineMs = 5_000 } = harness;
        await subject.change(store, 0);
        const mend = await partOf(harness, 'breakStore')();
        for (const [name, call] of subject.calls(store))
          await rejectsWithin(name, call, deadlineMs * lateness);
        await mend();
        await subject.check(store);
        await subject.change(store, 1);
      },
    },
    {
      name: 'throws for each of many concurrent calls that fail',
      needs: ['breakStore'],
      async run(harness) {
        const { store, deadlineMs = 5_000 } = harness;
        await subject.change(store, 0);
        const mend = await partOf(harness, 'breakStore')();
        const calls = Array.from({ length: 10 }, () => subject.calls(store)).flat();
        await Promise.all(calls.map(([name, call]) => rejectsWithin(name, call, deadlineMs * lateness)));
        await mend();
        await subject.check(store);
      },
    },
    {
      name: 'tells watchers that anything may have changed when it is back after a failure, and of the next change',
      needs: ['watch', 'breakStore'],
      async run(harness) {
        const { store, patienceMs = 10_000 } = harness;
        const ear = await listen(subject, store, harness);
        const mend = await partOf(harness, 'breakStore')();
        const from = ear.heard.length;
        await mend();
        const isTold = () => ear.heard.slice(from).includes(undefined);
        await until('the call with `undefined` after the failure', isTold, patienceMs);
        const next = ear.heard.length;
        await ear.hears(await subject.change(store, 0), next);
        await ear.unwatch();
      },
    },
    {
      name: 'starts a watch while the store fails, without throwing, and listens when it is back',
      needs: ['watch', 'breakStore'],
      async run(harness) {
        const { store, patienceMs = 10_000 } = harness;
        const mend = await partOf(harness, 'breakStore')();
        const heard: (string | undefined)[] = [];
        const unwatch = subject.watch(store, (id) => void heard.push(id));
        await mend();
        await until('the call with `undefined`', () => heard.includes(undefined), patienceMs);
        await unwatch();
      },
    },
    {
      name: 'ends a watch while the store fails',
      needs: ['watch', 'breakStore'],
      async run(harness) {
        const ear = await listen(subject, harness.store, harness);
        const mend = await partOf(harness, 'breakStore')();
        let hasEnded = false;
        void ear.unwatch().then(() => {
          hasEnded = true;
        });
        await until('the end of the watch', () => hasEnded, harness.patienceMs ?? 10_000);
        await mend();
      },
    },
    {
      name: 'gives every call up by itself while the backend is frozen, and works when it has thawed',
      needs: ['freeze'],
      async run(harness) {
        const { store, deadlineMs = 5_000 } = harness;
        await subject.change(store, 0);
        const thaw = await partOf(harness, 'freeze')();
        try {
          const calls = subject.calls(store);
          await Promise.all(calls.map(([name, call]) => rejectsWithin(name, call, deadlineMs * lateness)));
        } finally {
          await thaw();
        }
        await eventually(() => subject.check(store), harness.patienceMs ?? 10_000);
      },
    },
    {
      name: 'tells watchers of changes after the backend was frozen and has thawed',
      needs: ['watch', 'freeze'],
      async run(harness) {
        const { store, deadlineMs = 5_000 } = harness;
        const ear = await listen(subject, store, harness);
        const thaw = await partOf(harness, 'freeze')();
        try {
          const [[name, call] = assert.fail('there is no call to make')] = subject.calls(store);
          await rejectsWithin(name, call, deadlineMs * lateness);
        } finally {
          await thaw();
        }
        const patienceMs = harness.patienceMs ?? 10_000;
        const other = await harness.second();
        let id = '';
        const from = ear.heard.length;
        await eventually(async () => {
          id = await subject.change(other, 0);
        }, patienceMs);
        await ear.hears(id, from);
        await ear.unwatch();
      },
    },
    {
      name: 'answers late and right while the backend is slow, many calls in the time of a few',
      needs: ['slow'],
      async run(harness) {
        const { store, patienceMs = 10_000 } = harness;
        await subject.change(store, 0);
        const mend = await partOf(harness, 'slow')();
        try {
          const startedAt = performance.now();
          const check = () => eventually(() => subject.check(store), patienceMs);
          await Promise.all(Array.from({ length: 25 }, check));
          assert.ok(performance.now() - startedAt < patienceMs, 'calls at once wait for each other');
          await eventually(async () => void (await subject.change(store, 1)), patienceMs);
        } finally {
          await mend();
        }
        await subject.check(store);
      },
    },
    {
      name: 'goes on with all that was stored after another server has taken over, on every node',
      needs: ['failOver'],
      async run(harness) {
        const { store, patienceMs = 10_000 } = harness;
        const other = await harness.second();
        await subject.change(store, 0);
        await subject.check(other);
        await partOf(harness, 'failOver')();
        for (const node of [store, other]) await eventually(() => subject.check(node), patienceMs);
        await subject.change(other, 1);
        await subject.check(store);
      },
    },
    {
      name: 'tells watchers of changes that are made after another server has taken over',
      needs: ['watch', 'failOver'],
      async run(harness) {
        const { store, patienceMs = 10_000 } = harness;
        const ear = await listen(subject, store, harness);
        const before = ear.heard.length;
        await ear.hears(await subject.change(store, 0), before);
        await partOf(harness, 'failOver')();
        const other = await harness.second();
        for (let index = 1; index < 3; index++) {
          let id = '';
          const from = ear.heard.length;
          await eventually(async () => {
            id = await subject.change(other, index);
          }, patienceMs);
          await ear.hears(id, from);
        }
        await ear.unwatch();
      },
    },
  ];
}
