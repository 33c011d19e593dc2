import assert from 'node:assert/strict';
import {
  briefMs,
  denied,
  expectFigures,
  granted,
  type LedgerCase,
  type LedgerHarness,
  leaseMs,
  scope,
  slots,
  soon,
} from './ledger-case.ts';

/** What a ledger must do when a holder keeps on, disappears, or comes back late. */
export const ledgerLeaseCases: readonly LedgerCase[] = [
  {
    name: 'frees a parallel slot when its request is settled, and for nothing else',
    async run({ ledger, advance }) {
      const wanted = slots('k', 2);
      for (let round = 0; round < 5; round++) {
        granted(await ledger.reserve(`a${round}`, [wanted], leaseMs));
        granted(await ledger.reserve(`b${round}`, [wanted], leaseMs));
        denied(await ledger.reserve(`c${round}`, [wanted], leaseMs));
        await advance(20);
        denied(await ledger.reserve(`d${round}`, [wanted], leaseMs));
        await ledger.settle(`a${round}`, []);
        await ledger.settle(`b${round}`, []);
        await expectFigures(ledger, [wanted], [[0, 0]]);
      }
    },
  },
  {
    name: 'releases a hold that was neither settled nor renewed in time, and counts its charge, scope by scope',
    async run(harness) {
      const { ledger, advance } = harness;
      const scopes = [
        scope('whole', 1_000, { hold: 300 }),
        scope('part', 1_000, { hold: 300, charge: 120 }),
        scope('more', 1_000, { hold: 300, charge: 2_000 }),
        slots('slot', 1),
      ];
      // from the answer: on a busy machine the lease may have run out before another call
      const { scopes: states } = granted(await ledger.reserve('died', scopes, briefMs));
      assert.deepEqual(
        states.map(({ used, held }) => [used, held]),
        [
          [0, 300],
          [0, 300],
          [0, 300],
          [0, 1],
        ],
      );
      await advance(briefMs);
      await soon(harness, () =>
        expectFigures(ledger, scopes, [
          [300, 0],
          [120, 0],
          [2_000, 0],
          [0, 0],
        ]),
      );
      granted(await ledger.reserve('next', [slots('slot', 1)], leaseMs));
    },
  },
  {
    name: 'expires each of many abandoned reservations once, beside those that go on, while others ask at the same time',
    async run(harness) {
      const { ledger, advance } = harness;
      const wanted = scope('k', 100_000, { hold: 10, charge: 3 });
      const reserve = (name: string, ms: number) => (_: unknown, index: number) =>
        ledger.reserve(`${name} ${index}`, [wanted], ms);
      await Promise.all(Array.from({ length: 200 }, reserve('lost', briefMs)));
      await Promise.all(Array.from({ length: 20 }, reserve('kept', leaseMs)));
      await advance(briefMs);
      await Promise.all(Array.from({ length: 20 }, reserve('new', leaseMs)));
      await soon(harness, () => expectFigures(ledger, [wanted], [[600, 400]]));
    },
  },
  {
    name: 'corrects the charge of an expiry by what was used, once, less or more, in the order of the scopes',
    async run(harness) {
      const { ledger } = harness;
      const scopes = [
        scope('less', 1_000, { hold: 300, charge: 250 }),
        scope('more', 1_000, { hold: 300, charge: 250 }),
        scope('uncharged', 1_000, { hold: 300, charge: 0 }),
        scope('left out', 1_000, { hold: 300, charge: 250 }),
      ];
      const late = await expireOne(harness, scopes);
      await Promise.all(Array.from({ length: 10 }, () => ledger.settle(late, [120, 900, 40])));
      const corrected = [
        [120, 0],
        [900, 0],
        [40, 0],
        [0, 0],
      ] as const;
      await expectFigures(ledger, scopes, corrected);
      await ledger.settle(late, [1, 1, 1, 1]);
      await expectFigures(ledger, scopes, corrected);
    },
  },
  {
    name: 'keeps a hold for as long as it is renewed, and no longer than it was renewed last',
    async run(harness) {
      const { ledger, advance } = harness;
      const wanted = slots('k', 1);
      // far longer than each wait, for stores on a busy machine, but shorter than their sum
      granted(await ledger.reserve('long', [wanted], 5_000));
      for (let round = 0; round < 3; round++) {
        await advance(1_700);
        assert.equal(await ledger.renew('long', 5_000), true);
        denied(await ledger.reserve(`beside ${round}`, [wanted], leaseMs));
      }
      assert.equal(await ledger.renew('long', 100), true, 'a lease can be made shorter');
      await advance(100);
      await soon(harness, () => expectFigures(ledger, [wanted], [[0, 0]]));
      granted(await ledger.reserve('after', [wanted], leaseMs));
    },
  },
  {
    name: 'replaces the charges by those of the last renewal that has some, and holds no less for it',
    async run(harness) {
      const { ledger, advance } = harness;
      const scopes = [
        scope('a', 1_000, { hold: 300, charge: 1 }),
        scope('b', 1_000, { hold: 300, charge: 2 }),
      ];
      granted(await ledger.reserve('stream', scopes, leaseMs));
      assert.equal(await ledger.renew('stream', leaseMs, [10, 20]), true);
      assert.equal(await ledger.renew('stream', leaseMs, [40, 60]), true);
      assert.equal(await ledger.renew('stream', leaseMs, [45]), true, 'a charge left out stays as it is');
      await expectFigures(ledger, scopes, [
        [0, 300],
        [0, 300],
      ]);
      assert.equal(await ledger.renew('stream', briefMs), true);
      await advance(briefMs);
      await soon(harness, () =>
        expectFigures(ledger, scopes, [
          [45, 0],
          [60, 0],
        ]),
      );
      await ledger.settle('stream', [55, 50]);
      await expectFigures(ledger, scopes, [
        [55, 0],
        [50, 0],
      ]);
    },
  },
  {
    name: 'tells in renew whether the reservation is still held, and brings none back',
    async run(harness) {
      const { ledger } = harness;
      const wanted = scope('k', 1, { charge: 0 });
      const expired = await expireOne(harness, [wanted]);
      granted(await ledger.reserve('settled', [wanted], leaseMs));
      await ledger.settle('settled', []);
      granted(await ledger.reserve('held', [wanted], leaseMs));
      denied(await ledger.reserve('denied', [wanted], leaseMs));
      for (const id of [expired, 'settled', 'denied', 'unknown']) {
        assert.equal(await ledger.renew(id, leaseMs, [1]), false, id);
      }
      assert.equal(await ledger.renew('held', leaseMs), true);
      await expectFigures(ledger, [wanted], [[0, 1]]);
    },
  },
];

/** Makes a reservation and lets its lease run out. @returns its id */
async function expireOne(harness: LedgerHarness, scopes: Parameters<LedgerHarness['ledger']['reserve']>[1]) {
  const { ledger, advance } = harness;
  granted(await ledger.reserve('expired', scopes, briefMs));
  await advance(briefMs);
  await soon(harness, () =>
    expectFigures(
      ledger,
      scopes,
      scopes.map(({ charge }) => [charge, 0]),
    ),
  );
  return 'expired';
}
