import assert from 'node:assert/strict';
import { denied, expectFigures, figures, granted, type LedgerCase, leaseMs, scope } from './ledger-case.ts';
import { ledgerTimeCases } from './ledger-time.ts';

export type { LedgerCase, LedgerHarness } from './ledger-case.ts';

/**
 * What every `Ledger` must do, for any test runner: each case takes a fresh, empty ledger. A case may be left out only
 * with a reason that your test names.
 *
 * @example
 * for (const { name, run } of ledgerContract) {
 *   test(name, () => run(createMyHarness()));
 * }
 */
export const ledgerContract: readonly LedgerCase[] = [
  {
    name: 'holds the hold of every scope, and tells how full each is with the hold in it, in the order asked',
    async run({ ledger }) {
      const scopes = [
        scope('requests', 10, { key: 'team' }),
        scope('tokens', 500, { key: 'key', hold: 120 }),
        scope('usd', 9_000, { key: 'user', hold: 1_000 }),
      ];
      const result = granted(await ledger.reserve('one', scopes, leaseMs));
      assert.deepEqual(result.scopes.map(figures), [
        { key: 'team', used: 0, held: 1, amount: 10 },
        { key: 'key', used: 0, held: 120, amount: 500 },
        { key: 'user', used: 0, held: 1_000, amount: 9_000 },
      ]);
      await expectFigures(ledger, scopes, [
        [0, 1],
        [0, 120],
        [0, 1_000],
      ]);
    },
  },
  {
    name: 'grants what fills a scope exactly and denies one more',
    async run({ ledger }) {
      const tokens = (hold: number) => [scope('tokens', 100, { hold })];
      granted(await ledger.reserve('fills', tokens(100), leaseMs));
      const { denied: state } = denied(await ledger.reserve('more', tokens(1), leaseMs));
      assert.deepEqual(figures(state), { key: 'tokens', used: 0, held: 100, amount: 100 });
      granted(await ledger.reserve('nothing', tokens(0), leaseMs));
    },
  },
  {
    name: 'holds of no scope when one of them is full, whichever place it has, and names that one',
    async run({ ledger }) {
      const full = scope('requests', 1, { key: 'full' });
      granted(await ledger.reserve('fills', [full], leaseMs));
      const free = ['a', 'b', 'c'].map((key) => scope('tokens', 100, { key, hold: 7 }));
      for (const place of [0, 1, 2, 3]) {
        const scopes = [...free.slice(0, place), full, ...free.slice(place)];
        const result = denied(await ledger.reserve(`at ${place}`, scopes, leaseMs));
        assert.equal(result.denied.key, 'full', `the full scope is number ${place}`);
        assert.deepEqual(
          result.scopes.map(({ key }) => key),
          scopes.map(({ key }) => key),
        );
      }
      await expectFigures(ledger, free, [
        [0, 0],
        [0, 0],
        [0, 0],
      ]);
      await expectFigures(ledger, [full], [[0, 1]]);
    },
  },
  {
    name: 'never grants more than the amount to a thousand concurrent reservations, and grants all of it',
    async run({ ledger }) {
      const tight = scope('requests', 50, { key: 'tight' });
      const wide = scope('tokens', 1_000_000, { key: 'wide', hold: 3 });
      const results = await Promise.all(
        Array.from({ length: 1_000 }, (_, index) => ledger.reserve(`r${index}`, [wide, tight], leaseMs)),
      );
      assert.equal(results.filter((result) => result.granted).length, 50);
      await expectFigures(
        ledger,
        [tight, wide],
        [
          [0, 50],
          [0, 150],
        ],
      );
    },
  },
  {
    name: 'keeps used and held within the amount while concurrent requests of all sizes come and go',
    async run({ ledger }) {
      const amount = 1_000;
      const use = async (index: number): Promise<number> => {
        const hold = 1 + ((index * 37) % 90);
        const wanted = scope('tokens', amount, { hold });
        const result = await ledger.reserve(`r${index}`, [wanted], leaseMs);
        for (const state of result.scopes) {
          assert.ok(state.used + state.held <= amount, `${state.used} used and ${state.held} held`);
        }
        if (!result.granted) return 0;
        const used = hold >> 1;
        await ledger.settle(`r${index}`, [used]);
        return used;
      };
      const used = await Promise.all(Array.from({ length: 500 }, (_, index) => use(index)));
      const sum = used.reduce((total, one) => total + one, 0);
      assert.ok(sum > 0 && sum <= amount);
      await expectFigures(ledger, [scope('tokens', amount)], [[sum, 0]]);
    },
  },
  {
    name: 'answers a repeated id with the first answer and holds nothing more, also at the same time',
    async run({ ledger }) {
      const wanted = scope('requests', 10);
      const first = await ledger.reserve('same', [wanted], leaseMs);
      const again = await Promise.all(
        Array.from({ length: 50 }, () => ledger.reserve('same', [wanted], leaseMs)),
      );
      for (const answer of again) assert.deepEqual(answer, first);
      const together = await Promise.all(
        Array.from({ length: 50 }, () => ledger.reserve('together', [wanted], leaseMs)),
      );
      for (const answer of together) assert.deepEqual(answer, together[0]);
      await expectFigures(ledger, [wanted], [[0, 2]]);
    },
  },
  {
    name: 'answers a repeated id with the first answer after it was settled too, and holds nothing',
    async run({ ledger }) {
      const wanted = scope('requests', 10);
      const first = await ledger.reserve('same', [wanted], leaseMs);
      await ledger.settle('same', [1]);
      assert.deepEqual(await ledger.reserve('same', [wanted], leaseMs), first);
      await expectFigures(ledger, [wanted], [[1, 0]]);
    },
  },
  {
    name: 'answers a repeated id that was denied with the denial, even when there is room by now',
    async run({ ledger }) {
      const wanted = scope('parallel', 1);
      granted(await ledger.reserve('first', [wanted], leaseMs));
      const first = denied(await ledger.reserve('second', [wanted], leaseMs));
      await ledger.settle('first', []);
      assert.deepEqual(await ledger.reserve('second', [wanted], leaseMs), first);
      await expectFigures(ledger, [wanted], [[0, 0]]);
      granted(await ledger.reserve('third', [wanted], leaseMs));
    },
  },
  {
    name: 'replaces the holds by what was used, less or more than held, and counts a scope left out as 0',
    async run({ ledger }) {
      const less = scope('tokens', 1_000, { key: 'less', hold: 300 });
      const more = scope('tokens', 1_000, { key: 'more', hold: 300 });
      const left = scope('tokens', 1_000, { key: 'left out', hold: 300 });
      granted(await ledger.reserve('one', [less, more, left], leaseMs));
      await ledger.settle('one', [120, 1_500]);
      await expectFigures(
        ledger,
        [less, more, left],
        [
          [120, 0],
          [1_500, 0],
          [0, 0],
        ],
      );
      denied(await ledger.reserve('two', [more], leaseMs));
      granted(await ledger.reserve('three', [less, left], leaseMs));
    },
  },
  {
    name: 'settles once: a second settlement changes nothing, at the same time or later',
    async run({ ledger }) {
      const wanted = scope('tokens', 1_000, { hold: 100 });
      granted(await ledger.reserve('one', [wanted], leaseMs));
      await Promise.all(Array.from({ length: 20 }, () => ledger.settle('one', [40])));
      await ledger.settle('one', [500]);
      await ledger.settle('one', []);
      await expectFigures(ledger, [wanted], [[40, 0]]);
    },
  },
  {
    name: 'ignores ids that it does not know and ids that it denied, in settle and in renew',
    async run({ ledger }) {
      const wanted = scope('requests', 1);
      granted(await ledger.reserve('one', [wanted], leaseMs));
      denied(await ledger.reserve('denied', [wanted], leaseMs));
      for (const id of ['nobody', 'denied', '', '__proto__', 'constructor']) {
        await ledger.settle(id, [5]);
        await ledger.renew(id, leaseMs);
      }
      await expectFigures(ledger, [wanted], [[0, 1]]);
    },
  },
  {
    name: 'ignores uses beyond the scopes that the reservation has',
    async run({ ledger }) {
      const wanted = scope('requests', 5, { key: 'own' });
      const other = scope('requests', 5, { key: 'other' });
      granted(await ledger.reserve('one', [wanted], leaseMs));
      await ledger.settle('one', [1, 4, 3]);
      await expectFigures(
        ledger,
        [wanted, other],
        [
          [1, 0],
          [0, 0],
        ],
      );
    },
  },
  {
    name: 'never denies in warn mode, and still counts: over the amount, and beside a block scope that denies',
    async run({ ledger }) {
      const warned = scope('requests', 1, { key: 'warned', mode: 'warn' });
      for (const id of ['a', 'b', 'c']) granted(await ledger.reserve(id, [warned], leaseMs));
      await ledger.settle('a', [1]);
      await expectFigures(ledger, [warned], [[1, 2]]);
      const blocked = scope('requests', 0, { key: 'blocked' });
      const result = denied(await ledger.reserve('d', [warned, blocked], leaseMs));
      assert.equal(result.denied.key, 'blocked');
      await expectFigures(ledger, [warned], [[1, 2]]);
    },
  },
  {
    name: 'holds nothing and remembers nothing when it is only read',
    async run({ ledger }) {
      const wanted = scope('requests', 1);
      const reads = Array.from({ length: 20 }, () => ledger.peek([wanted, scope('tokens', 5)]));
      for (const states of await Promise.all(reads)) {
        assert.deepEqual(states.map(figures), [
          { key: 'requests', used: 0, held: 0, amount: 1 },
          { key: 'tokens', used: 0, held: 0, amount: 5 },
        ]);
      }
      granted(await ledger.reserve('one', [wanted], leaseMs));
      assert.deepEqual(await ledger.peek([]), []);
    },
  },
  {
    name: 'keeps scopes apart by their whole key',
    async run({ ledger }) {
      const keys = ['a', 'A', 'a ', 'a/b', 'a:b', '__proto__', 'constructor', 'ä', '💶', '%', 'a%', "a'; --"];
      const scopes = keys.map((key, index) => scope('tokens', 1_000, { key, hold: index + 1 }));
      granted(await ledger.reserve('one', scopes, leaseMs));
      await expectFigures(
        ledger,
        scopes,
        keys.map((_, index) => [0, index + 1]),
      );
      await ledger.settle(
        'one',
        keys.map((_, index) => index),
      );
      await expectFigures(
        ledger,
        scopes,
        keys.map((_, index) => [index, 0]),
      );
    },
  },
  {
    name: 'takes the amount from each request: a limit that was lowered or raised holds at once',
    async run({ ledger }) {
      granted(await ledger.reserve('one', [scope('tokens', 100, { hold: 60 })], leaseMs));
      denied(await ledger.reserve('lowered', [scope('tokens', 50, { hold: 1 })], leaseMs));
      granted(await ledger.reserve('raised', [scope('tokens', 200, { hold: 140 })], leaseMs));
      await expectFigures(ledger, [scope('tokens', 200)], [[0, 200]]);
    },
  },
  {
    name: 'grants a request that no scope concerns',
    async run({ ledger }) {
      assert.deepEqual(await ledger.reserve('free', [], leaseMs), { granted: true, scopes: [] });
      await ledger.settle('free', []);
    },
  },
  ...ledgerTimeCases,
];
