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
  slots,
  soon,
  spanFrom,
} from './ledger-case.ts';

/** What a ledger must do when a request is repeated. */
export const ledgerRepeatCases: readonly LedgerCase[] = [
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
      const first = await ledger.reserve('same', [scope('k', 10), wanted], leaseMs);
      // whatever it asks for now
      assert.deepEqual(await ledger.reserve('same', [wanted], leaseMs), first);
      await ledger.settle('same', [0, 1]);
      assert.deepEqual(await ledger.reserve('same', [wanted], leaseMs), first);
      await expectFigures(ledger, [wanted], [[1, 0]]);
    },
  },
  {
    name: 'answers a repeated id that was denied with the denial, even when there is room by now',
    async run({ ledger }) {
      const wanted = slots('parallel', 1);
      granted(await ledger.reserve('first', [wanted], leaseMs));
      const first = await ledger.reserve('second', [wanted], leaseMs);
      denied(first);
      await ledger.settle('first', []);
      assert.deepEqual(await ledger.reserve('second', [wanted], leaseMs), first);
      await expectFigures(ledger, [wanted], [[0, 0]]);
      granted(await ledger.reserve('third', [wanted], leaseMs));
    },
  },
  {
    name: 'holds nothing for a repeated id whose lease has run out',
    async run(harness) {
      const { ledger } = harness;
      const wanted = scope('k', 10, { charge: 0 });
      granted(await ledger.reserve('same', [wanted], briefMs));
      await harness.advance(briefMs);
      await soon(harness, () => expectFigures(ledger, [wanted], [[0, 0]]));
      await ledger.reserve('same', [wanted], leaseMs);
      await expectFigures(ledger, [wanted], [[0, 0]]);
    },
  },
  {
    name: 'counts each of many requests once when one in twenty comes twice, to reserve and to settle',
    async run({ ledger }) {
      const wanted = scope('k', 1_000_000, { hold: 10 });
      const ids = Array.from({ length: 400 }, (_, index) => `r${index}`);
      const sent = ids.flatMap((id, index) => (index % 20 === 0 ? [id, id] : [id]));
      for (const result of await Promise.all(sent.map((id) => ledger.reserve(id, [wanted], leaseMs)))) {
        granted(result);
      }
      await expectFigures(ledger, [wanted], [[0, 4_000]]);
      await Promise.all(sent.map((id) => ledger.settle(id, [4])));
      await expectFigures(ledger, [wanted], [[1_600, 0]]);
    },
  },
  {
    name: 'answers a repeated id with the first answer also when its window has ended since',
    async run(harness) {
      const { ledger } = harness;
      const inSpan = (span = forever) => [scope('k', 5, { span })];
      const span = await reserveBriefly(harness, 'same', 500, inSpan);
      await advanceTo(harness, span.untilMs);
      granted(await ledger.reserve('same', inSpan(span), leaseMs));
      await expectFigures(ledger, inSpan(spanFrom(span.untilMs, 3_600_000)), [[0, 0]]);
    },
  },
];
