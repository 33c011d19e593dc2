import assert from 'node:assert/strict';
import { denied, expectFigures, granted, hourMs, type LedgerCase, leaseMs, scope } from './ledger-case.ts';

/** What a ledger must do as time goes by: slots, windows and leases. */
export const ledgerTimeCases: readonly LedgerCase[] = [
  {
    name: 'frees a parallel slot when its request is settled, and for nothing else',
    async run({ ledger, advance }) {
      const wanted = scope('parallel', 2);
      for (let round = 0; round < 5; round++) {
        granted(await ledger.reserve(`a${round}`, [wanted], hourMs));
        granted(await ledger.reserve(`b${round}`, [wanted], hourMs));
        const { denied: state } = denied(await ledger.reserve(`c${round}`, [wanted], hourMs));
        assert.equal(state.resetsAtMs, undefined, 'a scope without a window has no reset');
        await advance(3_000);
        denied(await ledger.reserve(`d${round}`, [wanted], hourMs));
        await ledger.settle(`a${round}`, []);
        await ledger.settle(`b${round}`, []);
        await expectFigures(ledger, [wanted], [[0, 0]]);
      }
    },
  },
  {
    name: 'begins a window anew when it has ended, by its own clock, and says when that is',
    async run({ ledger, now, advance }) {
      const wanted = scope('requests', 1, { windowMs: 10_000 });
      const before = await now();
      const { scopes } = granted(await ledger.reserve('one', [wanted], leaseMs));
      const resetsAtMs = scopes[0]?.resetsAtMs;
      assert.ok(resetsAtMs !== undefined && resetsAtMs > before && resetsAtMs <= (await now()) + 10_000);
      await ledger.settle('one', [1]);
      denied(await ledger.reserve('two', [wanted], leaseMs));
      await advance(resetsAtMs - (await now()));
      const next = granted(await ledger.reserve('three', [wanted], leaseMs)).scopes[0];
      assert.equal(next?.used, 0);
      assert.equal(next?.resetsAtMs, resetsAtMs + 10_000);
    },
  },
  {
    name: 'never begins anew a scope that has no window',
    async run({ ledger, advance }) {
      const wanted = scope('usd', 1_000, { windowMs: undefined, hold: 700 });
      granted(await ledger.reserve('one', [wanted], leaseMs));
      await ledger.settle('one', [700]);
      await advance(20_000);
      const { denied: state } = denied(await ledger.reserve('two', [wanted], leaseMs));
      assert.deepEqual([state.used, state.resetsAtMs], [700, undefined]);
    },
  },
  {
    name: 'posts a settlement to the window of the reservation, even when a new one has begun',
    async run({ ledger, advance }) {
      const wanted = scope('tokens', 1_000, { windowMs: 10_000, hold: 400 });
      granted(await ledger.reserve('old', [wanted], leaseMs));
      await advance(10_000);
      granted(await ledger.reserve('new', [wanted], leaseMs));
      await expectFigures(ledger, [wanted], [[0, 400]]);
      await ledger.settle('old', [900]);
      await expectFigures(ledger, [wanted], [[0, 400]]);
      await ledger.settle('new', [100]);
      await expectFigures(ledger, [wanted], [[100, 0]]);
    },
  },
  {
    name: 'releases a hold that was neither settled nor renewed in time, and counts it as used; a slot is only released',
    async run({ ledger, advance }) {
      const tokens = scope('tokens', 1_000, { hold: 300 });
      const slots = scope('parallel', 1);
      granted(await ledger.reserve('died', [tokens, slots], 5_000));
      await advance(10_000);
      granted(await ledger.reserve('next', [tokens, slots], leaseMs));
      await expectFigures(
        ledger,
        [tokens, slots],
        [
          [300, 300],
          [0, 1],
        ],
      );
    },
  },
  {
    name: 'counts once what was settled after its lease had run out',
    async run({ ledger, advance }) {
      const wanted = scope('tokens', 1_000, { hold: 300 });
      granted(await ledger.reserve('late', [wanted], 5_000));
      await advance(10_000);
      granted(await ledger.reserve('next', [scope('tokens', 1_000, { hold: 0 })], leaseMs));
      await ledger.settle('late', [200]);
      const [state] = await ledger.peek([wanted]);
      assert.equal(state?.held, 0);
      assert.ok(state?.used === 300 || state?.used === 200, `${state?.used} counted for one request`);
    },
  },
  {
    name: 'keeps a hold for as long as it is renewed',
    async run({ ledger, advance }) {
      const wanted = scope('parallel', 1);
      granted(await ledger.reserve('long', [wanted], 8_000));
      for (let round = 0; round < 4; round++) {
        await advance(5_000);
        await ledger.renew('long', 8_000);
        denied(await ledger.reserve(`beside ${round}`, [wanted], leaseMs));
      }
      await ledger.settle('long', []);
      await ledger.renew('long', 8_000);
      granted(await ledger.reserve('after', [wanted], leaseMs));
    },
  },
];
