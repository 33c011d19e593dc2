import assert from 'node:assert/strict';
import type { LedgerScope, ReserveResult } from '../../limits/ledger.ts';
import {
  advanceTo,
  expectFigures,
  granted,
  type LedgerCase,
  type LedgerHarness,
  leaseMs,
  scope,
  soon,
  spanFrom,
} from './ledger-case.ts';

/** Long enough for a busy machine to ask in each, short enough to wait for. */
const windowMs = 2_000;
const amount = 30;

/** Consecutive windows, each with its amount; a rolling count beside them adds up two of them. */
class Windows {
  readonly beganAtMs: number;

  constructor(beganAtMs: number) {
    this.beganAtMs = beganAtMs;
  }

  /** Number of the window at an instant. */
  at(ms: number): number {
    return Math.floor((ms - this.beganAtMs) / windowMs);
  }

  scopes(window: number, charge = 1): LedgerScope[] {
    const fromMs = this.beganAtMs + window * windowMs;
    return [
      scope('each', amount, { charge, span: spanFrom(fromMs, windowMs) }),
      scope('both', amount, { charge, mode: 'count', span: spanFrom(fromMs, windowMs, 2) }),
    ];
  }

  endOf(window: number): number {
    return this.beganAtMs + (window + 1) * windowMs;
  }
}

interface Asked {
  readonly id: string;
  readonly window: number;
  readonly result: ReserveResult;
}

/** Asks as a gateway does: in the windows of the ledger's time, and again if the ledger finds them over. */
async function ask({ ledger }: LedgerHarness, windows: Windows, id: string): Promise<Asked> {
  let nowMs = ledger.nowMs();
  for (let tries = 0; tries < 5; tries++) {
    const window = windows.at(nowMs);
    const result = await ledger.reserve(id, windows.scopes(window), leaseMs);
    if (result.kind !== 'stale') return { id, window, result };
    nowMs = result.nowMs;
  }
  return assert.fail(`${id} found every window over`);
}

/** How long the lost hold outlives its window: long enough for a busy machine to find it held in the next. */
const lostMs = 1_500;

/** Makes three reservations in one window that begins now; starts over if it ends meanwhile. */
async function reserveInOne({ ledger, now }: LedgerHarness) {
  for (let round = 0; round < 10; round++) {
    const windows = new Windows(Math.floor(await now()));
    const scopes = windows.scopes(0, 3);
    const ids = { late: `late ${round}`, renewed: `renewed ${round}`, lost: `lost ${round}` };
    const results = await Promise.all([
      ledger.reserve(ids.late, scopes, leaseMs),
      ledger.reserve(ids.renewed, scopes, leaseMs),
      ledger.reserve(ids.lost, scopes, windowMs + lostMs),
    ]);
    if (results.some(({ kind }) => kind === 'stale')) continue;
    results.forEach(granted);
    return [windows, ids] as const;
  }
  return assert.fail(`no three calls have ended within a window of ${windowMs} ms`);
}

/** What a ledger must do with requests in flight as a window ends. */
export const ledgerResetCases: readonly LedgerCase[] = [
  {
    name: 'counts each of a thousand requests across the end of a window in one of the two, and neither above its amount',
    async run(harness) {
      const { ledger, now, advance } = harness;
      // the ledger learns its clock
      await ledger.reserve('clock', [scope('clock', 1)], leaseMs);
      const windows = new Windows(Math.floor(await now()));
      await advance(windowMs * 0.7);
      const asked: Asked[] = [];
      const askedIn = (window: number) => asked.filter((each) => each.window === window);
      const windowsAsked = new Set<number>();
      // a busy machine may find the first window over, and then crosses the end of the second
      for (
        let round = 0;
        asked.length < 1_000 || windowsAsked.size < 2 || (await now()) < windows.endOf(0) + 50;
        round++
      ) {
        const asking = Array.from({ length: 100 }, (_, index) => ask(harness, windows, `r${round} ${index}`));
        asked.push(...(await Promise.all(asking)));
        for (const { window } of asked) windowsAsked.add(window);
        await advance(30);
      }
      const grantedIn = (window: number) => askedIn(window).filter(({ result }) => result.kind === 'granted');
      for (const window of windowsAsked) {
        const expected = Math.min(amount, askedIn(window).length);
        assert.equal(grantedIn(window).length, expected, `window ${window}`);
      }
      const last = Math.max(...windowsAsked);
      const ended = [...grantedIn(last), ...grantedIn(last - 1)];
      for (const { id } of ended) await ledger.settle(id, [1, 1]);
      await soon(harness, () =>
        expectFigures(ledger, windows.scopes(last), [
          [grantedIn(last).length, 0],
          [ended.length, 0],
        ]),
      );
    },
  },
  {
    name: 'posts what was in flight as its window ended to that window: settled late, renewed, and expired',
    async run(harness) {
      const { ledger, advance } = harness;
      await ledger.reserve('clock', [scope('clock', 1)], leaseMs);
      const [windows, ids] = await reserveInOne(harness);
      await advanceTo(harness, windows.endOf(0));
      const next = windows.scopes(1);
      granted(await ledger.reserve('next', next, leaseMs));
      await expectFigures(ledger, next, [
        [0, 1],
        [0, 4],
      ]);
      await ledger.settle(ids.late, [20, 20]);
      assert.equal(await ledger.renew(ids.renewed, leaseMs, [5, 5]), true);
      await ledger.settle(ids.renewed, [7, 7]);
      await advance(lostMs + 100);
      await soon(harness, () =>
        expectFigures(ledger, next, [
          [0, 1],
          [30, 1],
        ]),
      );
      await ledger.settle(ids.lost, [1, 1]);
      await ledger.settle('next', [2, 2]);
      await soon(harness, () =>
        expectFigures(ledger, next, [
          [2, 0],
          [30, 0],
        ]),
      );
    },
  },
];
