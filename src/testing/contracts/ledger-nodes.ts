import assert from 'node:assert/strict';
import {
  denied,
  expectFigures,
  granted,
  type LedgerCase,
  leaseMs,
  scope,
  slots,
  soon,
} from './ledger-case.ts';
import { partOf } from './store-case.ts';

/** What ledgers over one store must do together. */
export const ledgerNodeCases: readonly LedgerCase[] = [
  {
    name: 'never grants more than the amount over two ledgers at the same time',
    needs: ['second'],
    async run(harness) {
      const ledgers = [harness.ledger, await partOf(harness, 'second')()];
      const wanted = [scope('tight', 50), scope('wide', 1_000_000, { hold: 3 })];
      const results = await Promise.all(
        Array.from({ length: 400 }, (_, index) => ledgers[index % 2]?.reserve(`r${index}`, wanted, leaseMs)),
      );
      const count = results.filter((result) => result?.kind === 'granted').length;
      assert.ok(count > 0 && count <= 50, `${count} of 50 granted`);
    },
  },
  {
    name: 'grants all of the amount over two ledgers, and one more to neither',
    needs: ['second', 'exact'],
    async run(harness) {
      const ledgers = [harness.ledger, await partOf(harness, 'second')()] as const;
      const wanted = [scope('k', 60)];
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          ledgers[index % 2 ? 0 : 1].reserve(`r${index}`, wanted, leaseMs),
        ),
      );
      assert.equal(results.filter(({ kind }) => kind === 'granted').length, 60);
      for (const [index, ledger] of ledgers.entries()) {
        await expectFigures(ledger, wanted, [[0, 60]]);
        denied(await ledger.reserve(`more ${index}`, wanted, leaseMs));
      }
    },
  },
  {
    name: 'lets another ledger repeat, renew and settle what one has reserved',
    needs: ['second', 'exact'],
    async run(harness) {
      const { ledger } = harness;
      const second = await partOf(harness, 'second')();
      const wanted = [scope('k', 10, { hold: 4 })];
      const first = await ledger.reserve('one', wanted, leaseMs);
      assert.deepEqual(await second.reserve('one', wanted, leaseMs), first);
      assert.equal(await second.renew('one', leaseMs), true);
      await second.settle('one', [3]);
      await ledger.settle('one', [9]);
      assert.equal(await ledger.renew('one', leaseMs), false);
      for (const each of [ledger, second]) await expectFigures(each, wanted, [[3, 0]]);
    },
  },
  {
    name: 'answers one id that two ledgers get at the same time once, and holds once',
    needs: ['second', 'exact'],
    async run(harness) {
      const { ledger } = harness;
      const second = await partOf(harness, 'second')();
      const wanted = [scope('k', 10)];
      for (let round = 0; round < 20; round++) {
        const [one, other] = await Promise.all([
          ledger.reserve(`r${round}`, wanted, leaseMs),
          second.reserve(`r${round}`, wanted, leaseMs),
        ]);
        assert.deepEqual(one, other);
        assert.equal(one.kind, round < 10 ? 'granted' : 'denied');
      }
      await Promise.all([ledger.settle('r0', [1]), second.settle('r0', [1]), second.settle('r1', [1])]);
      for (const each of [ledger, second]) await expectFigures(each, wanted, [[2, 8]]);
    },
  },
  {
    name: 'gives back what a ledger held that is never heard of again, when its leases run out',
    needs: ['second'],
    async run(harness) {
      const { ledger, advance } = harness;
      const gone = await partOf(harness, 'second')();
      const wanted = [slots('k', 3)];
      // outlasts the call that comes too soon, even on a busy machine
      const goneMs = 3_000;
      const taken = await Promise.all(['a', 'b', 'c'].map((id) => gone.reserve(id, wanted, goneMs)));
      taken.forEach(granted);
      denied(await ledger.reserve('too soon', wanted, leaseMs));
      await advance(goneMs);
      let round = 0;
      await soon(harness, async () => {
        granted(await ledger.reserve(`next ${round++}`, wanted, leaseMs));
      });
    },
  },
];
