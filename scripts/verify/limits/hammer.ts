import type { Ledger, LedgerScope } from '../../../src/limits/ledger.ts';
import {
  createFixedWindow,
  createRollingWindow,
  lifetimeWindow,
  noWindow,
} from '../../../src/limits/window.ts';
import { hammerClients } from './settings.ts';

/** What a process has made of a ledger. */
export interface Hammering {
  /** Reservations that were answered or refused. */
  readonly made: number;
  readonly failed: number;
}

/** Settled with less than was held, as when a caller leaves. */
const leavingShare = 0.1;
/** Never settled: the lease ends them. */
const lostShare = 0.005;
const slowShare = 0.005;
/** Longer than a window, since what a window allows may be gone long before its end. */
const longestMs = 2_500;
const mostHeld = 100;
const backoffMs = 20;
const windows = {
  organisation: createFixedWindow('2s', 2_000),
  team: createRollingWindow('4s', 4_000, 4),
};

/** Limits of every kind, small enough to be met all the time. */
function toScopes(name: string, number: number, hold: number, nowMs: number): LedgerScope[] {
  const charge = Math.floor(hold / 2);
  const block = { mode: 'block' as const };
  const team = `team/${name}`;
  return [
    {
      key: 'organisation/tokens',
      amount: 60_000,
      hold,
      charge,
      ...block,
      span: windows.organisation.spanAt(nowMs),
    },
    {
      key: `${team}/requests`,
      amount: 2_000,
      hold: 1,
      charge: 1,
      ...block,
      span: windows.team.spanAt(nowMs),
    },
    {
      key: `${team}/key/${number % 5}`,
      amount: 5_000_000,
      hold,
      charge,
      ...block,
      span: lifetimeWindow.spanAt(nowMs),
    },
    { key: 'organisation/parallel', amount: 100, hold: 1, charge: 0, ...block, span: noWindow.spanAt(nowMs) },
    {
      key: 'organisation/warn',
      amount: 1_000,
      hold,
      charge,
      mode: 'count',
      span: windows.organisation.spanAt(nowMs),
    },
  ];
}

/** Reserves and settles as fast as it goes, with clients that leave and clients that never come back. */
export async function hammer(ledger: Ledger, name: string, reservations: number): Promise<Hammering> {
  let begun = 0;
  let made = 0;
  let failed = 0;

  async function cycle(number: number): Promise<void> {
    const id = `${name}/${begun++}`;
    const hold = Math.floor(Math.random() * mostHeld);
    const scopes = toScopes(name, number, hold, ledger.nowMs());
    try {
      const { kind } = await ledger.reserve(id, scopes, 30_000);
      made++;
      if (kind !== 'granted') {
        // a caller that was refused does not come back at once
        if (kind === 'denied') await pause(Math.random() * backoffMs);
        return;
      }
    } catch {
      made++;
      failed++;
      await pause(backoffMs);
      return;
    }
    // so that windows end meanwhile
    if (Math.random() < slowShare) await pause(Math.random() * longestMs);
    else await new Promise((resolve) => setImmediate(resolve));
    const fate = Math.random();
    if (fate < lostShare) return;
    const used =
      fate < lostShare + leavingShare ? Math.floor(hold / 4) : Math.floor(Math.random() * (hold + 1));
    // nobody waits for it
    Promise.resolve(ledger.settle(id, [used, 1, used, 0, used])).catch(() => undefined);
  }

  async function client(number: number): Promise<void> {
    while (begun < reservations) await cycle(number);
  }

  await Promise.all(Array.from({ length: hammerClients }, (_, number) => client(number)));
  return { made, failed };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
