import assert from 'node:assert/strict';
import type { Span } from '../../limits/ledger.ts';
import { forever } from '../../limits/window-span.ts';
import {
  briefMs,
  denied,
  expectFigures,
  granted,
  type LedgerCase,
  leaseMs,
  scope,
  soon,
} from './ledger-case.ts';

const hourMs = 3_600_000;

/**
 * A rolling window of three buckets, the last of them number `index`. Its bounds are such that each of these spans
 * is current, so that no case has to wait for the next.
 */
function sliding(index: number): Span {
  const at = Date.UTC(2020) + index * hourMs;
  const untilMs = Date.UTC(2200);
  return { bucket: at, buckets: [at - 2 * hourMs, at - hourMs, at], fromMs: at, untilMs, forgetMs: untilMs };
}

const inSpan = (index: number, hold = 1) => [scope('k', 60, { hold, span: sliding(index) })];

/** What a ledger must do with spans of several buckets. */
export const ledgerBucketCases: readonly LedgerCase[] = [
  {
    name: 'adds up what is used in the buckets of the span, and in no others',
    async run({ ledger }) {
      for (const [index, used] of [10, 20, 30].entries()) {
        granted(await ledger.reserve(`r${index}`, inSpan(index), leaseMs));
        await ledger.settle(`r${index}`, [used]);
      }
      await expectFigures(ledger, inSpan(2), [[60, 0]]);
      denied(await ledger.reserve('full', inSpan(2), leaseMs));
      await expectFigures(ledger, inSpan(3), [[50, 0]]);
      denied(await ledger.reserve('too much', inSpan(3, 11), leaseMs));
      const { scopes } = granted(await ledger.reserve('fits', inSpan(3, 10), leaseMs));
      assert.deepEqual([scopes[0]?.used, scopes[0]?.held], [50, 10]);
      await expectFigures(ledger, inSpan(4), [[30, 10]]);
      await expectFigures(ledger, inSpan(6), [[0, 0]]);
    },
  },
  {
    name: 'adds up what is held in the buckets of the span, and settles it in the bucket where it was held',
    async run({ ledger }) {
      for (const index of [0, 1, 2]) granted(await ledger.reserve(`r${index}`, inSpan(index, 20), leaseMs));
      denied(await ledger.reserve('full', inSpan(2), leaseMs));
      await ledger.settle('r0', [5]);
      await expectFigures(ledger, inSpan(2), [[5, 40]]);
      granted(await ledger.reserve('r3', inSpan(3, 20), leaseMs));
      await expectFigures(ledger, inSpan(3), [[0, 60]]);
      await ledger.settle('r1', [7]);
      await ledger.settle('r3', [1]);
      await expectFigures(ledger, inSpan(3), [[8, 20]]);
      granted(await ledger.reserve('r4', inSpan(4, 39), leaseMs));
      await ledger.settle('r2', [50]);
      await expectFigures(ledger, inSpan(4), [[51, 39]]);
      await expectFigures(ledger, inSpan(5), [[1, 39]]);
    },
  },
  {
    name: 'forgets at once every bucket that a long pause has taken out of the span',
    async run({ ledger }) {
      granted(await ledger.reserve('before', inSpan(0, 60), leaseMs));
      granted(await ledger.reserve('after', inSpan(100, 60), leaseMs));
      await ledger.settle('before', [60]);
      await expectFigures(ledger, inSpan(100), [[0, 60]]);
    },
  },
  {
    name: 'charges an expiry, and corrects it, in the bucket of the reservation',
    async run(harness) {
      const { ledger, advance } = harness;
      granted(await ledger.reserve('lost', inSpan(0, 20), briefMs));
      granted(await ledger.reserve('next', inSpan(1, 5), leaseMs));
      await advance(briefMs);
      await soon(harness, () => expectFigures(ledger, inSpan(1), [[20, 5]]));
      await ledger.settle('lost', [12]);
      await expectFigures(ledger, inSpan(2), [[12, 5]]);
      await expectFigures(ledger, inSpan(3), [[0, 5]]);
    },
  },
  {
    name: 'never holds above the amount in a rolling window that many ask at the same time',
    async run({ ledger }) {
      granted(await ledger.reserve('used', inSpan(0), leaseMs));
      await ledger.settle('used', [13]);
      granted(await ledger.reserve('held', inSpan(1, 17), leaseMs));
      const results = await Promise.all(
        Array.from({ length: 100 }, (_, index) => ledger.reserve(`r${index}`, inSpan(2), leaseMs)),
      );
      assert.equal(results.filter(({ kind }) => kind === 'granted').length, 30);
      await expectFigures(ledger, inSpan(2), [[13, 47]]);
    },
  },
  {
    name: 'never denies in count mode, however much its buckets have together, and settles what it granted',
    async run({ ledger }) {
      const warned = (index: number) => [scope('k', 60, { mode: 'count', span: sliding(index) })];
      for (const [index, used] of [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 30].entries()) {
        granted(await ledger.reserve(`r${index}`, warned(index), leaseMs));
        await ledger.settle(`r${index}`, [used]);
      }
      await expectFigures(ledger, warned(4), [[30, 0]]);
    },
  },
  {
    name: 'takes scopes of every kind of window in one reservation',
    async run({ ledger }) {
      const fixed = scope('fixed', 100, { hold: 2 });
      const lifetime = scope('lifetime', 100, { hold: 3, span: forever });
      const scopes = [...inSpan(5, 1), fixed, lifetime];
      granted(await ledger.reserve('one', scopes, leaseMs));
      await ledger.settle('one', [4, 5, 6]);
      await expectFigures(ledger, scopes, [
        [4, 0],
        [5, 0],
        [6, 0],
      ]);
    },
  },
];
