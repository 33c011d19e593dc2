import { chargeOf, type History, leaseEndMs, type Reservation } from './reservations.ts';
import { sliceLeaseMs, type Timing } from './settings.ts';

/** When the store did not answer, by `clockMs`. */
export interface Standstill {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** How much of a place was taken over time. */
export interface Curve {
  /** Ascending. */
  readonly atMs: readonly number[];
  /** What was taken from then on. */
  readonly taken: readonly number[];
}

/**
 * The least and the most that can have been used and held of every place at every instant, whatever the ledger says:
 * worked out from what the gateways asked and were answered, and when.
 */
export function toCurves(
  { reservations }: History,
  standstill: Standstill | undefined,
  isLeasing: boolean,
  timing: Timing,
): { readonly least: ReadonlyMap<string, Curve>; readonly most: ReadonlyMap<string, Curve> } {
  const least = new Steps();
  const most = new Steps();
  for (const reservation of reservations) {
    const { answer, reserve, parts, settle } = reservation;
    if (answer?.answer === 'denied' || answer?.answer === 'stale') continue;
    const endsMs = leaseEndMs(reservation);
    const surelyUntilMs = endsMs - clockMarginMs;
    const { killedAtMs } = reservation;
    // what a killed gateway had not posted is held by its slices
    const sliceEndMs = isLeasing && killedAtMs !== undefined ? killedAtMs + sliceLeaseMs : 0;
    const perhapsUntilMs = lateEnd(Math.max(endsMs, sliceEndMs), standstill) + timing.sweepMs;
    const ackMs = settledBy(reservation, standstill, timing);
    parts.forEach(({ place: { name }, hold }, index) => {
      const charge = chargeOf(reservation, index);
      const used = settle ? (settle.used[index] ?? 0) : undefined;
      if (answer?.answer === 'granted') {
        least.add(name, answer.atMs, hold);
        const endMs = Math.min(settle?.atMs ?? Number.POSITIVE_INFINITY, surelyUntilMs);
        const isExpired = used === undefined || endMs === surelyUntilMs || ackMs === undefined;
        const left = isExpired ? Math.min(hold, charge, used ?? hold) : Math.min(hold, used);
        least.add(name, Math.max(endMs, answer.atMs), left - hold);
      }
      const held = Math.max(hold, used ?? 0, charge);
      most.add(name, reserve.atMs, held);
      // a settlement that was never answered may have been made or not
      if (used !== undefined && ackMs !== undefined) most.add(name, ackMs, used - held);
      else most.add(name, perhapsUntilMs, Math.max(charge, used ?? 0) - held);
    });
  }
  return { least: least.toCurves(), most: most.toCurves() };
}

/** An answer while the store stands still, or just after, may be a promise to do it later; of a killed gateway the last ones, too. */
function settledBy(
  { settledAtMs, killedAtMs }: Reservation,
  standstill: Standstill | undefined,
  { promiseMs, sweepMs }: Timing,
): number | undefined {
  if (settledAtMs === undefined) return undefined;
  if (killedAtMs !== undefined && settledAtMs > killedAtMs - promiseMs) return undefined;
  if (!standstill) return settledAtMs;
  const isDoubtful = settledAtMs > standstill.fromMs - 1_000 && settledAtMs < standstill.untilMs + 1_000;
  return isDoubtful ? standstill.untilMs + sweepMs : settledAtMs;
}

function lateEnd(endMs: number, standstill: Standstill | undefined): number {
  return standstill && endMs > standstill.fromMs ? Math.max(endMs, standstill.untilMs) : endMs;
}

/** A store's clock has whole milliseconds, and is set now and then. */
const clockMarginMs = 10;

/** Collects changes and adds them up. */
class Steps {
  readonly #changes = new Map<string, [atMs: number, change: number][]>();

  add(name: string, atMs: number, change: number): void {
    const known = this.#changes.get(name);
    if (known) known.push([atMs, change]);
    else this.#changes.set(name, [[atMs, change]]);
  }

  toCurves(): Map<string, Curve> {
    const curves = new Map<string, Curve>();
    for (const [name, changes] of this.#changes) {
      changes.sort(([one], [other]) => one - other);
      const atMs: number[] = [];
      const taken: number[] = [];
      let sum = 0;
      for (const [at, change] of changes) {
        sum += change;
        // several at one instant are one
        if (atMs.at(-1) === at) taken.pop();
        else atMs.push(at);
        taken.push(sum);
      }
      curves.set(name, { atMs, taken });
    }
    return curves;
  }
}

/** The most of a curve within some time. */
export function peakOf(curve: Curve | undefined, fromMs: number, untilMs: number): number {
  if (!curve) return 0;
  let low = 0;
  let high = curve.atMs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((curve.atMs[middle] as number) <= fromMs) low = middle + 1;
    else high = middle;
  }
  let peak = curve.taken[low - 1] ?? 0;
  for (let at = low; at < curve.atMs.length && (curve.atMs[at] as number) <= untilMs; at++) {
    peak = Math.max(peak, curve.taken[at] as number);
  }
  return peak;
}
