import assert from 'node:assert/strict';
import type { LedgerScope } from '../../limits/ledger.ts';
import { denied, expectFigures, granted, type LedgerCase, leaseMs, scope } from './ledger-case.ts';

const most = Number.MAX_SAFE_INTEGER;

const noCounts = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, most + 1, '1' as unknown as number];

/** Texts that stores have been seen to confuse with others, or with parts of their own syntax. */
const hostile = [
  ...['a', 'A', 'a ', ' a', 'a/b', 'a:b', 'a,b', '__proto__', 'constructor', 'toString', '0', '-1', 'null'],
  ...[
    'ä',
    'a\u0308',
    '💶',
    '\ufffd',
    '\u2028',
    '\0',
    'a\0',
    '\n',
    '\\',
    '"',
    "a'; --",
    '%',
    'a%',
    '_',
    '*',
    '?',
  ],
  ...['{a}', '{b}', '$1', '[1]', 'x'.repeat(1_000), `${'x'.repeat(1_000)}y`],
];

/** What a ledger must do with the keys, ids and numbers that it is given. */
export const ledgerInputCases: readonly LedgerCase[] = [
  {
    name: 'keeps scopes apart by their whole key',
    async run({ ledger }) {
      const scopes = hostile.map((key, index) => scope(key, 1_000, { hold: index + 1 }));
      granted(await ledger.reserve('one', scopes, leaseMs));
      await expectFigures(
        ledger,
        scopes,
        hostile.map((_, index) => [0, index + 1]),
      );
      await ledger.settle(
        'one',
        hostile.map((_, index) => index),
      );
      await expectFigures(
        ledger,
        scopes,
        hostile.map((_, index) => [index, 0]),
      );
    },
  },
  {
    name: 'keeps reservations apart by their whole id',
    async run({ ledger }) {
      const wanted = scope('k', 1_000_000, { hold: 1 });
      const results = await Promise.all(hostile.map((id) => ledger.reserve(id, [wanted], leaseMs)));
      for (const result of results) granted(result);
      await expectFigures(ledger, [wanted], [[0, hostile.length]]);
      await Promise.all(hostile.map((id, index) => ledger.settle(id, [index])));
      await expectFigures(ledger, [wanted], [[(hostile.length * (hostile.length - 1)) / 2, 0]]);
    },
  },
  {
    name: 'throws a TypeError for a hold or charge that is no safe integer of at least 0 or a lease below it, and holds nothing',
    async run({ ledger }) {
      const good = scope('good', 100);
      for (const [index, amount] of noCounts.entries()) {
        for (const spoilt of [
          scope('bad', 100, { hold: amount, charge: 0 }),
          scope('bad', 100, { charge: amount }),
        ]) {
          await rejects(() => ledger.reserve(`bad ${index}`, [good, spoilt], leaseMs), `${amount}`);
        }
      }
      for (const lease of [-1, Number.NaN]) {
        await rejects(() => ledger.reserve('bad 0', [good], lease), `${lease}`);
      }
      await expectFigures(
        ledger,
        [good, scope('bad', 100)],
        [
          [0, 0],
          [0, 0],
        ],
      );
      granted(await ledger.reserve('bad 0', [good], leaseMs));
    },
  },
  {
    name: 'throws a TypeError for a use or a renewed charge that is no safe integer of at least 0, and goes on holding',
    async run({ ledger }) {
      const scopes = [scope('k', 1_000, { hold: 300 }), scope('other', 1_000, { hold: 200 })];
      granted(await ledger.reserve('one', scopes, leaseMs));
      for (const bad of [...noCounts, 1e308]) {
        await rejects(() => ledger.settle('one', [40, bad]), `a use of ${bad}`);
        await rejects(() => ledger.renew('one', leaseMs, [40, bad]), `a charge of ${bad}`);
      }
      await expectFigures(ledger, scopes, [
        [0, 300],
        [0, 200],
      ]);
      await ledger.settle('one', [40, 50]);
      await expectFigures(ledger, scopes, [
        [40, 0],
        [50, 0],
      ]);
    },
  },
  {
    name: 'counts uses far beyond what was held, up to the largest safe integer each, and denies from then on',
    async run({ ledger }) {
      const wanted = [scope('k', 1_000, { hold: 10 })];
      for (const id of ['one', 'two', 'three']) granted(await ledger.reserve(id, wanted, leaseMs));
      await ledger.settle('one', [5]);
      await ledger.settle('two', [most]);
      await ledger.settle('three', [most]);
      denied(await ledger.reserve('four', wanted, leaseMs));
      const [state] = await ledger.peek(wanted);
      assert.ok(state && state.used >= most && state.held === 0, `${state?.used} used, ${state?.held} held`);
    },
  },
  {
    name: 'throws a TypeError for two scopes with one key, and holds nothing',
    async run({ ledger }) {
      const scopes: LedgerScope[] = [
        scope('twice', 100),
        scope('other', 100),
        scope('twice', 90, { hold: 2 }),
      ];
      await rejects(() => ledger.reserve('one', scopes, leaseMs), 'two scopes with one key');
      await expectFigures(ledger, scopes.slice(0, 2), [
        [0, 0],
        [0, 0],
      ]);
      granted(await ledger.reserve('one', scopes.slice(0, 2), leaseMs));
    },
  },
  {
    name: 'counts exactly up to the largest safe integer',
    async run({ ledger }) {
      const large = (hold: number) => [scope('large', most, { hold })];
      granted(await ledger.reserve('nearly all', large(most - 1), leaseMs));
      denied(await ledger.reserve('two', large(2), leaseMs));
      denied(await ledger.reserve('all', large(most), leaseMs));
      granted(await ledger.reserve('one', large(1), leaseMs));
      await expectFigures(ledger, large(0), [[0, most]]);
      denied(await ledger.reserve('one more', large(1), leaseMs));
      await ledger.settle('nearly all', [most - 3]);
      await expectFigures(ledger, large(0), [[most - 3, 1]]);
      denied(await ledger.reserve('three', large(3), leaseMs));
      granted(await ledger.reserve('two again', large(2), leaseMs));
      await ledger.settle('one', [0]);
      await ledger.settle('two again', [3]);
      await expectFigures(ledger, large(0), [[most, 0]]);
    },
  },
  {
    name: 'never denies in count mode for want of numbers, and forgets no use and keeps no hold because of large ones',
    async run({ ledger }) {
      const warned = (hold: number) => [scope('warned', 1_000, { hold, mode: 'count' })];
      for (const [id, hold] of Object.entries({ a: most, b: most, c: 3 }))
        granted(await ledger.reserve(id, warned(hold), leaseMs));
      await ledger.settle('a', [7]);
      await ledger.settle('b', [0]);
      granted(await ledger.reserve('d', warned(5), leaseMs));
      await ledger.settle('c', [2]);
      await ledger.settle('d', [4]);
      await expectFigures(ledger, warned(0), [[13, 0]]);
      granted(await ledger.reserve('e', warned(1), leaseMs));
      await ledger.settle('e', [most]);
      granted(await ledger.reserve('f', warned(most), leaseMs));
      await ledger.settle('f', [1]);
      const [state] = await ledger.peek(warned(0));
      assert.ok(state && state.used >= most && state.held === 0, `${state?.used} used, ${state?.held} held`);
    },
  },
];

async function rejects(call: () => unknown, what: string): Promise<void> {
  // a synchronous ledger throws synchronously
  await assert.rejects(async () => call(), TypeError, what);
}
