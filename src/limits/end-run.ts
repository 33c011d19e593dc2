import { amountAt } from './amount.ts';
import type { Ledger, LedgerScope } from './ledger.ts';
import { limitKeyOf } from './limit.ts';
import type { RunScope } from './run.ts';

/** How long a run's end is held after its time, since clocks differ. */
const marginMs = 60_000;

/**
 * Holds all of a run's budget until its time is over, so that all who share the ledger refuse its requests. What it has
 * used does not change. Repeating it changes nothing.
 */
export async function holdAllOf({ id, limits = [], untilMs = 0 }: RunScope, ledger: Ledger): Promise<void> {
  // the ledger says its time if ours differs
  for (let nowMs = ledger.nowMs(), tries = 0; nowMs < untilMs && tries < 3; tries++) {
    const scopes = limits.map((limit): LedgerScope => {
      const amount = amountAt(limit, nowMs);
      const key = limitKeyOf(limit, { run: id }) ?? limit.prefix;
      return { key, amount, hold: amount, charge: 0, mode: 'count', span: limit.window.spanAt(nowMs) };
    });
    const result = await ledger.reserve(`run-end/${id}`, scopes, untilMs - nowMs + marginMs);
    if (result.kind !== 'stale') return;
    nowMs = result.nowMs;
  }
}
