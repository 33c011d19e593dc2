import type { Limit } from './limit.ts';

/**
 * What a limit allows at an instant, in its units: its amount, or the highest raise that has not ended; 0 outside a
 * one-off window.
 *
 * @param nowMs milliseconds since the epoch, by the clock that the span is made with
 */
export function amountAt({ amount, raises, window }: Limit, nowMs: number): number {
  if (window.isOpenAt && !window.isOpenAt(nowMs)) return 0;
  let most = amount;
  for (let index = 0; index < raises.length; index++) {
    const raise = raises[index] as Limit['raises'][number];
    if (nowMs < raise.untilMs && raise.amount > most) most = raise.amount;
  }
  return most;
}

/** When the result of `amountAt` next changes by itself, milliseconds since the epoch; undefined for never. */
export function amountChangesAtMs({ raises, window }: Limit, nowMs: number): number | undefined {
  let next = Number.POSITIVE_INFINITY;
  for (const { untilMs } of raises) if (nowMs < untilMs) next = Math.min(next, untilMs);
  if (window.isOpenAt) next = Math.min(next, window.spanAt(nowMs).untilMs);
  return next === Number.POSITIVE_INFINITY ? undefined : next;
}

/**
 * The thresholds of a limit, in percent, that `after` reaches and `before` did not; ascending. With an amount of 0, the
 * first use reaches all.
 *
 * @param before used, or used and held, in units
 * @param amount what the limit allows, if not its amount: see `amountAt`
 */
export function thresholdsCrossed(
  limit: Pick<Limit, 'thresholds' | 'amount'>,
  before: number,
  after: number,
  amount: number = limit.amount,
): readonly number[] {
  if (limit.thresholds.length === 0 || after <= before) return none;
  return limit.thresholds.filter((percent) => {
    const mark = Math.max(1, shareOf(amount, percent));
    return before < mark && after >= mark;
  });
}

const none: readonly number[] = Object.freeze([]);

// in two parts, so that products stay safe integers and 100 % is the amount itself
function shareOf(amount: number, percent: number): number {
  return Math.ceil(Math.floor(amount / 100) * percent + ((amount % 100) * percent) / 100);
}
