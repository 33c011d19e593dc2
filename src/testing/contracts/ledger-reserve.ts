import assert from 'node:assert/strict';
import { denied, expectFigures, figures, granted, type LedgerCase, leaseMs, scope } from './ledger-case.ts';

/** What a ledger must do when it is asked to hold, and when it is read. */
export const ledgerReserveCases: readonly LedgerCase[] = [
  {
    name: 'holds the hold of every scope, and tells how full each is with the hold in it, in the order asked',
    async run({ ledger }) {
      const scopes = [
        scope('team', 10),
        scope('key', 500, { hold: 120 }),
        scope('user', 9_000, { hold: 1_000 }),
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
      const { by: state } = denied(await ledger.reserve('more', tokens(1), leaseMs));
      assert.deepEqual(figures(state), { key: 'tokens', used: 0, held: 100, amount: 100 });
      granted(await ledger.reserve('nothing', tokens(0), leaseMs));
    },
  },
  {
    name: 'holds of no scope when one of them is full, whichever place it has, and names that one',
    async run({ ledger }) {
      const full = scope('full', 1);
      granted(await ledger.reserve('fills', [full], leaseMs));
      const free = ['a', 'b', 'c'].map((key) => scope(key, 100, { hold: 7 }));
      for (const place of [0, 1, 2, 3]) {
        const scopes = [...free.slice(0, place), full, ...free.slice(place)];
        const result = denied(await ledger.reserve(`at ${place}`, scopes, leaseMs));
        assert.equal(result.by.key, 'full', `the full scope is number ${place}`);
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
      const tight = scope('tight', 50);
      const wide = scope('wide', 1_000_000, { hold: 3 });
      const results = await Promise.all(
        Array.from({ length: 1_000 }, (_, index) => ledger.reserve(`r${index}`, [wide, tight], leaseMs)),
      );
      assert.equal(results.filter(({ kind }) => kind === 'granted').length, 50);
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
        for (const state of result.kind === 'stale' ? [] : result.scopes) {
          assert.ok(state.used + state.held <= amount, `${state.used} used and ${state.held} held`);
        }
        if (result.kind !== 'granted') return 0;
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
    name: 'never denies in count mode, and still counts: over the amount, and beside a block scope that denies',
    async run({ ledger }) {
      const warned = scope('warned', 1, { mode: 'count' });
      for (const id of ['a', 'b', 'c']) granted(await ledger.reserve(id, [warned], leaseMs));
      await ledger.settle('a', [1]);
      await expectFigures(ledger, [warned], [[1, 2]]);
      const blocked = scope('blocked', 0);
      const result = denied(await ledger.reserve('d', [warned, blocked], leaseMs));
      assert.equal(result.by.key, 'blocked');
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
      assert.deepEqual(await ledger.reserve('free', [], leaseMs), { kind: 'granted', scopes: [] });
      await ledger.settle('free', []);
    },
  },
  {
    name: 'counts requests that share scopes in every one of them, in whatever order each names them',
    async run({ ledger }) {
      const scopesOf = (index: number) => {
        const scopes = [
          scope('org', 1_000, { hold: 7 }),
          scope(`team ${index % 3}`, 400, { hold: 7 }),
          scope(`key ${index % 10}`, 300, { hold: 7 }),
        ];
        return index % 2 ? scopes.reverse() : scopes;
      };
      const results = await Promise.all(
        Array.from({ length: 300 }, (_, index) => ledger.reserve(`r${index}`, scopesOf(index), leaseMs)),
      );
      const wins = results.flatMap(({ kind }, index) => (kind === 'granted' ? [index] : []));
      // 142 sevens fit into the organisation, and the teams and keys have room for more
      assert.equal(wins.length, 142);
      const expectSums = async (each: (count: number) => readonly [used: number, held: number]) => {
        const countOf = (fits: (index: number) => boolean) => each(wins.filter(fits).length);
        const keys = Array.from({ length: 10 }, (_, key) => key);
        await expectFigures(ledger, [scope('org', 1_000)], [countOf(() => true)]);
        await expectFigures(
          ledger,
          keys.map((key) => scope(`key ${key}`, 300)),
          keys.map((key) => countOf((index) => index % 10 === key)),
        );
        await expectFigures(
          ledger,
          [0, 1, 2].map((team) => scope(`team ${team}`, 400)),
          [0, 1, 2].map((team) => countOf((index) => index % 3 === team)),
        );
      };
      await expectSums((count) => [0, 7 * count]);
      await Promise.all(wins.map((index) => ledger.settle(`r${index}`, [3, 3, 3])));
      await expectSums((count) => [3 * count, 0]);
    },
  },
];
