import type { Ledger, LedgerScope } from '../../../src/limits/ledger.ts';
import { createFixedWindow, lifetimeWindow, noWindow } from '../../../src/limits/window.ts';

/** How fast a ledger is used. */
export interface Pace {
  /** Reservations a second. */
  readonly rate: number;
  readonly seconds: number;
}

/** What came of it. */
export interface PaceReport {
  readonly granted: number;
  readonly denied: number;
  readonly failed: number;
  /** A second, as it was. */
  readonly rate: number;
  /** Of each call of `reserve`, until it was answered. */
  readonly tookUs: readonly number[];
}

const minute = createFixedWindow('1m', 60_000);
/** How long a request goes on after its reservation. */
const longestRequestMs = 40;

/** The scopes of a request in a busy organisation: its rows are everybody's. */
export function toScopes(team: string, key: number, nowMs: number): LedgerScope[] {
  const block = { mode: 'block' as const };
  const parallel = { hold: 1, charge: 0, span: noWindow.spanAt(nowMs) };
  const tokens = { hold: 700, charge: 200, span: minute.spanAt(nowMs) };
  const usd = { hold: 5_000_000, charge: 1_000_000, span: lifetimeWindow.spanAt(nowMs) };
  return [
    { key: 'organisation/tokens', amount: 10 ** 9, ...tokens, ...block },
    { key: 'organisation/usd', amount: 10 ** 14, ...usd, ...block },
    { key: 'organisation/parallel', amount: 10_000, ...parallel, ...block },
    { key: `team/${team}/tokens`, amount: 3 * 10 ** 8, ...tokens, ...block },
    { key: `key/${team}/${key}/tokens`, amount: 10 ** 8, ...tokens, ...block },
  ];
}

/** Reserves at a steady pace and settles a little later, as requests do. */
export async function keepPace(ledger: Ledger, team: string, { rate, seconds }: Pace): Promise<PaceReport> {
  const tookUs: number[] = [];
  const counts = { granted: 0, denied: 0, failed: 0 };
  const startMs = performance.now();
  let made = 0;

  function settleLater(id: string): void {
    setTimeout(() => void ledger.settle(id, [500, 2_000_000, 0, 500, 500]), Math.random() * longestRequestMs);
  }

  async function request(): Promise<void> {
    const id = `${team}/${startMs}/${made++}`;
    const reserve = (nowMs: number) => ledger.reserve(id, toScopes(team, key, nowMs), 30_000);
    const key = made % 4;
    const sentMs = performance.now();
    try {
      const answer = reserve(ledger.nowMs());
      let result = answer instanceof Promise ? await answer : answer;
      // a window ended on the way
      if (result.kind === 'stale') result = await reserve(result.nowMs);
      const { kind } = result;
      tookUs.push((performance.now() - sentMs) * 1_000);
      if (kind === 'granted') counts.granted++;
      else counts.denied++;
      if (kind === 'granted') settleLater(id);
    } catch {
      counts.failed++;
    }
  }

  while (performance.now() - startMs < seconds * 1_000) {
    const due = Math.floor(((performance.now() - startMs) / 1_000) * rate);
    while (made < due) void request();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const tookMs = performance.now() - startMs;
  // what is still open is settled, and answered
  await new Promise((resolve) => setTimeout(resolve, 10 * longestRequestMs));
  return { ...counts, rate: (made * 1_000) / tookMs, tookUs };
}
