import { denied, expectFigures, granted, type LedgerCase, leaseMs, scope } from './ledger-case.ts';

/** What a ledger must do when it is told what was used. */
export const ledgerSettleCases: readonly LedgerCase[] = [
  {
    name: 'replaces the holds by what was used, less or more than held, and counts a scope left out as 0',
    async run({ ledger }) {
      const less = scope('less', 1_000, { hold: 300 });
      const more = scope('more', 1_000, { hold: 300 });
      const left = scope('left out', 1_000, { hold: 300 });
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
      const wanted = scope('own', 5);
      const other = scope('other', 5);
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
];
