import type { ScopeState } from '../../../src/limits/ledger.ts';
import type { LoadReport } from './load.ts';
import { type Curve, peakOf, type Standstill, toCurves } from './occupancy.ts';
import { chargeOf, type History, isSurelySettled, type Reservation, toPlaceName } from './reservations.ts';
import { giveBackMs, maxShare, type Timing } from './settings.ts';
import type { Served } from './upstream.ts';

/** What is left of a place when all is over. */
export type Posted = ReadonlyMap<string, ScopeState>;

/** What the journals say against the ledger. */
export interface Audit {
  readonly reservations: number;
  readonly granted: number;
  readonly denied: number;
  readonly failed: number;
  /** Granted and never settled: their gateway was killed. */
  readonly abandoned: number;
  /** Settled in a window that had ended. */
  readonly acrossReset: number;
  /** Answered without a round trip. */
  readonly atOnce: number;
  /** Used and held at once beyond the amount, by what the gateways were told; below 0 where there was room. */
  readonly mostOver: number;
  /** Settlements with more than was held. */
  readonly overruns: number;
  /** Denied although it fitted, by everything that can have been used and held. */
  readonly needlessDenials: readonly string[];
  readonly oddAnswers: number;
  /** Places where more or less is used than the journals allow. */
  readonly wrongSums: readonly string[];
  /** The most that a place has used beyond its journals, as a part of the amount: slices of killed gateways. */
  readonly unusedShare: number;
  /** Requests answered whole whose record, settlement and tally of the upstream are not one number. */
  readonly mismatches: readonly string[];
  /** Those that were compared. */
  readonly compared: number;
  /** Requests that the upstream got twice. */
  readonly sentTwice: number;
}

/** What is compared. */
export interface Evidence {
  readonly history: History;
  readonly standstill: Standstill | undefined;
  readonly posted: Posted;
  /** Whether what was uncertain has been settled since, so that sums are exact. */
  readonly isResolved: boolean;
  readonly served: readonly Served[];
  readonly loads: readonly LoadReport[];
  /** Gateways that take slices; 0 where none does. */
  readonly leasingNodes: number;
  readonly killedNodes: number;
  readonly timing: Timing;
}

/** Compares all there is. */
export function audit(evidence: Evidence): Audit {
  const { history, standstill, leasingNodes } = evidence;
  const { reservations, places } = history;
  const { least, most } = toCurves(history, standstill, leasingNodes > 0, evidence.timing);
  const answers = (kind: string) => reservations.filter(({ answer }) => answer?.answer === kind).length;
  const overs = [...least].map(([name, curve]) => overOf(places.get(name)?.scope, curve));
  const sums = checkSums(evidence);
  const records = compareRecords(evidence);
  return {
    reservations: reservations.length,
    granted: answers('granted'),
    denied: answers('denied'),
    failed: answers('failed'),
    abandoned: reservations.filter(({ answer, settle }) => answer?.answer === 'granted' && !settle).length,
    acrossReset: reservations.filter(isAcrossReset).length,
    atOnce: reservations.filter(({ answer }) => answer?.isAtOnce).length,
    mostOver: overs.reduce((most, over) => Math.max(most, over), Number.NEGATIVE_INFINITY),
    overruns: reservations.filter(({ parts, settle }) =>
      settle?.used.some((used, index) => used > (parts[index]?.hold ?? 0)),
    ).length,
    needlessDenials: reservations.flatMap((it) => toNeedless(it, most, evidence)),
    oddAnswers: history.odd.length,
    ...sums,
    ...records,
  };
}

function overOf(scope: { mode: string; amount: number } | undefined, { taken }: Curve): number {
  if (scope?.mode !== 'block') return Number.NEGATIVE_INFINITY;
  return taken.reduce((most, sum) => Math.max(most, sum), 0) - scope.amount;
}

function isAcrossReset({ parts, reserve, settle }: Reservation): boolean {
  if (!settle) return false;
  // the windows are of the wall clock, which is compared by how long the settlement took
  return parts.some(({ place: { scope } }) => {
    const { untilMs } = scope.span;
    return (
      untilMs !== null && reserve.wallMs < untilMs && settle.atMs - reserve.atMs > untilMs - reserve.wallMs
    );
  });
}

/** Says of a denial that nothing asked for it, if so. */
function toNeedless(
  { id, answer, reserve, parts }: Reservation,
  most: ReadonlyMap<string, Curve>,
  { leasingNodes, standstill }: Evidence,
): string[] {
  if (answer?.answer !== 'denied' || answer.deniedAt === undefined) return [];
  const part = parts[answer.deniedAt];
  if (!part) return [`${id}: by a scope that it has not`];
  const { place, hold } = part;
  const { amount } = place.scope;
  const unused = leasingNodes * Math.floor(amount * maxShare);
  const lagMs = leasingNodes > 0 ? giveBackMs : 0;
  // all buckets of a rolling window
  const peak = (place.scope.span.buckets ?? []).reduce((sum, bucket) => {
    const curve = most.get(toPlaceName(place.scope, bucket));
    return sum + peakOf(curve, reserve.atMs - lagMs, answer.atMs);
  }, 0);
  if (peak + hold + unused > amount) return [];
  const after = standstill
    ? `, ${(answer.atMs - standstill.untilMs).toFixed(0)} ms after the standstill`
    : '';
  return [`${place.name}: ${hold} denied beside ${peak}, ${unused} in slices${after}`];
}

/** Σ of what was settled and charged, against what the ledger has posted. */
function checkSums({ history, posted, isResolved, leasingNodes, killedNodes }: Evidence) {
  const bounds = new Map<string, { least: number; most: number }>();
  for (const name of history.places.keys()) bounds.set(name, { least: 0, most: 0 });
  for (const reservation of history.reservations) {
    const { answer, parts, settle } = reservation;
    if (answer?.answer === 'denied' || answer?.answer === 'stale') continue;
    parts.forEach(({ place }, index) => {
      const bound = bounds.get(place.name);
      if (!bound) return;
      const charge = chargeOf(reservation, index);
      const used = settle?.used[index] ?? 0;
      if (settle && (isSurelySettled(reservation) || isResolved)) {
        bound.least += used;
        bound.most += used;
      } else if (settle) {
        bound.least += Math.min(used, charge);
        bound.most += Math.max(used, charge);
      } else if (answer?.answer === 'granted') {
        bound.least += charge;
        bound.most += charge;
      } else if (!isResolved) bound.most += charge;
    });
  }
  const wrongSums: string[] = [];
  let unusedShare = 0;
  const carried = leasingNodes > 0 ? toCarried(history, bounds, posted) : new Map<string, number>();
  for (const [name, { least, most: mostOfItself }] of bounds) {
    const state = posted.get(name);
    if (!state) continue;
    const { used, amount } = state;
    const most = mostOfItself + (carried.get(name) ?? 0);
    const isBlocking = history.places.get(name)?.scope.mode === 'block';
    const slices = leasingNodes > 0 && isBlocking ? killedNodes * Math.ceil(amount * maxShare) : 0;
    if (isBlocking && amount > 0) unusedShare = Math.max(unusedShare, (used - most) / amount);
    // counted scopes of a killed gateway lose what it had not posted yet
    const isLossy = leasingNodes > 0 && killedNodes > 0 && !isBlocking;
    if (used > most + slices || (used < least && !isLossy)) {
      wrongSums.push(
        `${name}: ${used} posted, ${least}${most === least ? '' : ` to ${most}`} by the journals`,
      );
    }
  }
  return { wrongSums, unusedShare };
}

/**
 * What leasing gateways may count in a bucket although it was used in those before: what never denies is counted after the
 * fact, and what a store that stood still did not hear of before its bucket ended counts in the next. No more than is
 * missing there.
 */
function toCarried(
  { places }: History,
  bounds: ReadonlyMap<string, { readonly most: number }>,
  posted: Posted,
): Map<string, number> {
  const carried = new Map<string, number>();
  const missing = new Map<string, number>();
  const counted = [...places.values()].filter(({ scope }) => scope.mode === 'count');
  counted.sort((one, other) => Number(one.scope.span.bucket) - Number(other.scope.span.bucket));
  for (const { name, scope } of counted) {
    const before = missing.get(scope.key) ?? 0;
    const used = posted.get(name)?.used;
    if (used === undefined) continue;
    carried.set(name, before);
    missing.set(scope.key, Math.max(0, (bounds.get(name)?.most ?? 0) + before - used));
  }
  return carried;
}

/** Of each request that its caller has whole: what the record, the ledger and the upstream say. */
function compareRecords({ history, served, loads }: Evidence) {
  const settled = new Map(history.reservations.map((reservation) => [reservation.id, reservation]));
  const tallies = new Map<string, Served[]>();
  for (const entry of served) tallies.set(entry.tag, [...(tallies.get(entry.tag) ?? []), entry]);
  const whole = new Set(loads.flatMap((load) => load.whole));
  const mismatches: string[] = [];
  let compared = 0;
  for (const { id, metadata, usage, replayed, outcome, costNanoUsd } of history.records) {
    const tag = metadata?.tag ?? '';
    if (replayed || outcome !== 'complete' || !whole.has(tag)) continue;
    const { parts = [], settle, killedAtMs } = settled.get(id) ?? {};
    // what was not settled before the kill is charged by its lease
    if (!settle && killedAtMs !== undefined) continue;
    compared++;
    const usedOf = (unit: string) =>
      parts.flatMap(({ place }, index) =>
        place.scope.key.split('/').includes(unit) ? [settle?.used[index] ?? 0] : [],
      );
    const recorded = (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
    const [tally] = tallies.get(tag) ?? [];
    const generated = tally ? tally.inputTokens + tally.outputTokens : 0;
    const tokens = usedOf('tokens');
    const isSame =
      tokens.length === 2 &&
      tokens.every((used) => used === recorded) &&
      generated === recorded &&
      usedOf('usd').every((used) => used === costNanoUsd);
    if (!isSame) mismatches.push(`${tag}: ${recorded} recorded, ${tokens} settled, ${generated} generated`);
  }
  const sentTwice = [...tallies.values()].filter((entries) => entries.length > 1).length;
  return { mismatches, compared, sentTwice };
}
