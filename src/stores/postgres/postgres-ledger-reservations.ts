import type { LedgerScope, ReserveResult } from '../../limits/ledger.ts';
import { toIndexText, toLimit, toMs } from './postgres-ledger-arguments.ts';
import { turnBucket } from './postgres-ledger-tables.ts';

/** A request to the ledger; the id as the index has it. */
export interface ReservationRequest {
  readonly id: string;
  readonly scopes: readonly LedgerScope[];
  readonly leaseMs: number;
}

/** The answer to one reservation: state, index of the full scope, used and held; for a repeated one also its scopes. */
export type ReservationReply = readonly [
  answer: readonly [kind: string, deniedAt: number, used: readonly number[], held: readonly number[]],
  names?: readonly (readonly [key: string, amount: number | null])[],
];

/** Arguments of `ledger_reserve` after its first four. Each bucket that any request looks at is a cell, listed once. */
export function toReserveArguments(requests: readonly ReservationRequest[]): readonly unknown[] {
  const cells = new Map<string, number>();
  const cellScopes: string[] = [];
  const cellBuckets: (number | string)[] = [];
  const cellForgets: (number | null)[] = [];
  const cellLocks: boolean[] = [];
  const cellOf = (scope: string, bucket: number | string, forgetMs: number, isLocked: boolean): number => {
    const name = `${bucket} ${scope}`;
    let cell = cells.get(name);
    if (cell === undefined) {
      cell = cellScopes.push(scope);
      cells.set(name, cell);
      cellBuckets.push(bucket);
      cellForgets.push(forgetMs === Number.POSITIVE_INFINITY ? null : toMs(forgetMs));
      cellLocks.push(isLocked);
    } else if (isLocked) cellLocks[cell - 1] = true;
    return cell;
  };

  const names: string[] = [];
  const froms: number[] = [];
  const untils: number[] = [];
  const ends: number[] = [];
  const targets: number[] = [];
  const limits: string[] = [];
  const holds: number[] = [];
  const charges: number[] = [];
  const blocks: boolean[] = [];
  const sumEnds: number[] = [];
  const sumCells: number[] = [];
  for (const { scopes } of requests) {
    let fromMs = Number.NEGATIVE_INFINITY;
    let untilMs = Number.POSITIVE_INFINITY;
    for (const { key, amount, hold, charge, mode, span } of scopes) {
      const scope = toIndexText(key);
      const { bucket, buckets, forgetMs } = span;
      fromMs = Math.max(fromMs, span.fromMs);
      untilMs = Math.min(untilMs, span.untilMs);
      // whoever sums several buckets takes turns with whoever holds in any of them
      if (buckets.length > 1) cellOf(scope, turnBucket, forgetMs, true);
      targets.push(cellOf(scope, bucket, forgetMs, true));
      for (const each of buckets) sumCells.push(cellOf(scope, each, forgetMs, false));
      sumEnds.push(sumCells.length);
      limits.push(toLimit(amount));
      holds.push(hold);
      charges.push(charge);
      blocks.push(mode === 'block');
    }
    names.push(JSON.stringify(scopes.map(({ key, amount }) => [key, amount])));
    froms.push(toMs(fromMs));
    untils.push(toMs(untilMs));
    ends.push(holds.length);
  }
  const ids = requests.map(({ id }) => id);
  // half of what is safe, so that its sum with a time is
  const leases = requests.map(({ leaseMs }) => Math.min(toMs(leaseMs), Number.MAX_SAFE_INTEGER / 2 - 0.5));
  return [
    ...[cellScopes, cellBuckets, cellForgets, cellLocks],
    ...[ids, names, leases, froms, untils, ends],
    ...[targets, limits, holds, charges, blocks, sumEnds, sumCells],
  ];
}

/** The result in a reply; one to a repeated id names its scopes itself, since the caller may name others. */
export function toReserveResult(
  [[kind, deniedAt, used, held], names]: ReservationReply,
  scopes: readonly LedgerScope[],
  nowMs: number,
): ReserveResult {
  if (kind === 'stale') return { kind, nowMs };
  const asked = names ?? scopes.map(({ key, amount }) => [key, amount] as const);
  const states = asked.map(([key, amount], index) => ({
    key,
    used: Number(used[index]),
    held: Number(held[index]),
    // JSON has no infinity
    amount: amount ?? Number.POSITIVE_INFINITY,
  }));
  if (kind === 'denied') return { kind, deniedAt, scopes: states };
  return { kind: 'granted', scopes: states };
}
