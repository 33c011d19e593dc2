import assert from 'node:assert/strict';
import { forever } from '../../limits/window-span.ts';
import {
  advanceTo,
  briefMs,
  denied,
  expectFigures,
  granted,
  type LedgerCase,
  leaseMs,
  reserveBriefly,
  scope,
  spanFrom,
} from './ledger-case.ts';

const hourMs = 3_600_000;

/** What a ledger must do as windows begin and end. */
export const ledgerTimeCases: readonly LedgerCase[] = [
  {
    name: 'begins a window anew when it has ended, by its own clock',
    async run(harness) {
      const { ledger } = harness;
      const inSpan = (span = forever) => [scope('k', 1, { span })];
      const first = await reserveBriefly(harness, 'one', briefMs, inSpan);
      await ledger.settle('one', [1]);
      await expectFigures(ledger, inSpan(first), [[1, 0]]);
      await advanceTo(harness, first.untilMs);
      const next = inSpan(spanFrom(first.untilMs, hourMs));
      await expectFigures(ledger, next, [[0, 0]]);
      const { scopes } = granted(await ledger.reserve('two', next, leaseMs));
      assert.deepEqual([scopes[0]?.used, scopes[0]?.held], [0, 1]);
      denied(await ledger.reserve('three', next, leaseMs));
    },
  },
  {
    name: 'never begins anew a scope that has no window',
    async run({ ledger, advance }) {
      const wanted = [scope('k', 1_000, { hold: 700, span: forever })];
      granted(await ledger.reserve('one', wanted, leaseMs));
      await ledger.settle('one', [700]);
      await advance(100);
      assert.equal(denied(await ledger.reserve('two', wanted, leaseMs)).by.used, 700);
    },
  },
  {
    name: 'posts a settlement to the bucket of the reservation, even when another has begun',
    async run(harness) {
      const { ledger } = harness;
      const inSpan = (span = forever) => [scope('k', 1_000, { hold: 400, span })];
      const first = await reserveBriefly(harness, 'old', briefMs, inSpan);
      await advanceTo(harness, first.untilMs);
      const next = inSpan(spanFrom(first.untilMs, hourMs));
      granted(await ledger.reserve('new', next, leaseMs));
      await expectFigures(ledger, next, [[0, 400]]);
      await ledger.settle('old', [900]);
      await expectFigures(ledger, next, [[0, 400]]);
      await ledger.settle('new', [100]);
      await expectFigures(ledger, next, [[100, 0]]);
    },
  },
  {
    name: 'keeps a bucket whose end is moved until the latest span that drew from it lets it go',
    async run(harness) {
      const { ledger } = harness;
      const inSpan = (span = forever) => [scope('k', 2, { span })];
      const first = await reserveBriefly(harness, 'one', 2_000, (span) =>
        inSpan({ ...span, forgetMs: span.untilMs }),
      );
      await ledger.settle('one', [1]);
      // before that end, also on a busy machine
      const moved = inSpan({
        ...first,
        untilMs: first.untilMs + hourMs,
        forgetMs: first.untilMs + 2 * hourMs,
      });
      granted(await ledger.reserve('two', moved, leaseMs));
      await ledger.settle('two', [1]);
      await advanceTo(harness, first.untilMs);
      // ledgers drop old buckets while others come, some only now and then
      for (let index = 0; index < 5; index++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        granted(await ledger.reserve(`other ${index}`, [scope(`other ${index}`, 1)], leaseMs));
        await ledger.settle(`other ${index}`, [1]);
      }
      await expectFigures(ledger, moved, [[2, 0]]);
      denied(await ledger.reserve('three', moved, leaseMs));
    },
  },
  {
    name: 'finds a span stale that is over or has not begun, holds and remembers nothing, and tells its time',
    async run({ ledger, now }) {
      const good = scope('good', 5);
      const at = Math.floor(await now());
      for (const [name, fromMs] of [
        ['over', at - 2 * hourMs],
        ['not begun', at + hourMs],
      ] as const) {
        for (const mode of ['block', 'count'] as const) {
          const stale = scope(name, 5, { mode, span: spanFrom(fromMs, hourMs) });
          const result = await ledger.reserve(`${name} ${mode}`, [good, stale], leaseMs);
          assert.equal(result.kind, 'stale', name);
          const toldMs = result.kind === 'stale' ? result.nowMs : 0;
          assert.ok(toldMs >= at - 1 && toldMs <= (await now()) + 1, `${toldMs}, and it is ${await now()}`);
          await expectFigures(
            ledger,
            [good, stale],
            [
              [0, 0],
              [0, 0],
            ],
          );
          assert.equal(await ledger.renew(`${name} ${mode}`, leaseMs), false);
          const current = scope(name, 5, { mode, span: spanFrom(Math.floor(toldMs), hourMs) });
          granted(await ledger.reserve(`${name} ${mode}`, [good, current], leaseMs));
          await ledger.settle(`${name} ${mode}`, [0, 0]);
        }
      }
    },
  },
  {
    name: 'finds a full scope stale rather than full when its window is over',
    async run(harness) {
      const { ledger } = harness;
      const inSpan = (span = forever) => [scope('k', 1, { span })];
      const span = await reserveBriefly(harness, 'fills', briefMs, inSpan);
      await advanceTo(harness, span.untilMs);
      assert.equal((await ledger.reserve('late', inSpan(span), leaseMs)).kind, 'stale');
      granted(await ledger.reserve('late', inSpan(spanFrom(span.untilMs, hourMs)), leaseMs));
    },
  },
  {
    name: 'tells a time that is its clock as far as it knows, and never goes back',
    async run({ ledger, now, advance }) {
      let last = ledger.nowMs();
      for (let round = 0; round < 5; round++) {
        granted(await ledger.reserve(`r${round}`, [scope('k', 10)], leaseMs));
        await ledger.settle(`r${round}`, []);
        const told = ledger.nowMs();
        assert.ok(told >= last, `${told} after ${last}`);
        assert.ok(Math.abs(told - (await now())) < 60_000, `${told}, and it is ${await now()}`);
        last = told;
        await advance(20);
      }
    },
  },
];
