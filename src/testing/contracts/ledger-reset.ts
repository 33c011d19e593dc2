import assert from 'node:assert/strict';
import type { LedgerScope, ReserveResult } from '../../limits/ledger.ts';
import {
  expectFigures,
  granted,
  type LedgerCase,
  type LedgerHarness,
  leaseMs,
  scope,
  soon,
  spanFrom,
} from './ledger-case.ts';

/** Long enough that a busy machine asks in each, short enough to wait for. */
const windowMs = 2_000;
const amount = 30;

/** Windows one after the other; each has its amount, and a rolling count beside it adds up two of them. */
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

/** Asks as a gateway does: in the windows of the ledger's time, and again where it finds them over. */
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

/** What a ledger must do with what is in flight as a window ends. */
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
      for (let round = 0; asked.length < 1_000 || (await now()) < windows.endOf(0) + 50; round++) {
        const asking = Array.from({ length: 100 }, (_, index) => ask(harness, windows, `r${round} ${index}`));
        asked.push(...(await Promise.all(asking)));
        await advance(30);
      }
      const grantedIn = (window: number) =>
        asked.filter((each) => each.window === window && each.result.kind === 'granted');
      const windowsAsked = new Set(asked.map(({ window }) => window));
      assert.ok(windowsAsked.has(1), 'nothing was asked in the second window');
      for (const window of windowsAsked) assert.equal(grantedIn(window).length, amount, `window ${window}`);
      const last = Math.max(...windowsAsked);
      for (const { id } of [...grantedIn(last), ...grantedIn(last - 1)]) await ledger.settle(id, [1, 1]);
      const both = (windowsAsked.has(last - 1) ? 2 : 1) * amount;
      await soon(harness, () =>
        expectFigures(ledger, windows.scopes(last), [
          [amount, 0],
          [both, 0],
        ]),
      );
    },
  },
  {
    name: 'posts what was in flight as its window ended to that window: settled late, renewed, and expired',
    async run(harness) {
      const { ledger, now, advance } = harness;
      await ledger.reserve('clock', [scope('clock', 1)], leaseMs);
      const windows = new Windows(Math.floor(await now()));
      const old = windows.scopes(0, 3);
      const untilEndMs = () => windows.endOf(0) - windows.beganAtMs;
      granted(await ledger.reserve('late', old, leaseMs));
      granted(await ledger.reserve('renewed', old, leaseMs));
      granted(await ledger.reserve('lost', old, untilEndMs() + 1_000));
      await advance(windows.endOf(0) - (await now()));
      const next = windows.scopes(1);
      granted(await ledger.reserve('next', next, leaseMs));
      await expectFigures(ledger, next, [
        [0, 1],
        [0, 4],
      ]);
      await ledger.settle('late', [20, 20]);
      assert.equal(await ledger.renew('renewed', leaseMs, [5, 5]), true);
      await ledger.settle('renewed', [7, 7]);
      await advance(1_100);
      await soon(harness, () =>
        expectFigures(ledger, next, [
          [0, 1],
          [30, 1],
        ]),
      );
      await ledger.settle('lost', [1, 1]);
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
