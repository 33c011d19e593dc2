import type { Pool } from './pool.ts';

/** One reservation in the shared ledger: room for this node to decide in. */
export interface Slice {
  readonly id: string;
  readonly parts: readonly SlicePart[];
  readonly takenAtMs: number;
  /** Until this time, by this node's monotonic clock, the shared ledger is sure to hold it. */
  safeUntilMs: number;
  renewedAtMs: number;
  /** The renewal under way, whether it succeeds; never rejects. */
  renewal: Promise<boolean> | undefined;
  /** The charges of renewals not answered in time: each may still arrive and take effect. */
  readonly late: Set<readonly number[]>;
  /** The shared ledger let its lease run out, and charged it; settling corrects that. */
  isLost: boolean;
}

/** What a slice holds of one scope. */
export interface SlicePart {
  readonly pool: Pool;
  readonly size: number;
  /** What the shared ledger counts at least when the lease runs out. */
  charge: number;
  /** What it should count, to be reported. */
  wanted: number;
}

/** How much of the pool's use the part would be settled with. */
function usedOf({ pool, size }: SlicePart): number {
  if (pool.isCounting || (pool.slices.size === 1 && pool.open === 0)) return pool.used;
  return Math.min(size, pool.used);
}

/** The room that a pool loses when the part is settled. */
export function givenUpBy(part: SlicePart): number {
  return Math.max(0, part.size - usedOf(part));
}

/** How much of a settlement the shared ledger may not count until it has received it. */
export function uncertainOf(part: SlicePart): number {
  return part.pool.isCounting ? 0 : Math.max(0, usedOf(part) - part.charge);
}

/** Whether the slice can be settled and the rest still covers what is held here. */
export function canPost({ parts, isLost }: Slice): boolean {
  return parts.every((part) => {
    const { pool, size } = part;
    if (pool.isCounting) return pool.open === 0 || !pool.isRetired;
    // what is still open will be posted to the last one
    if (pool.slices.size === 1 && pool.open > 0) return false;
    const isFree = isLost ? pool.used >= size || pool.open === 0 : givenUpBy(part) <= Math.max(0, pool.free);
    return isFree && isCharged(part, isLost);
  });
}

/**
 * Whether the shared ledger counts enough for this node throughout, should leases run out now: a settlement of less
 * than the slice is charged needs others that are charged for what is left, and for settlements that have not arrived.
 */
function isCharged(part: SlicePart, isLost: boolean): boolean {
  const { pool, size, charge } = part;
  const used = usedOf(part);
  if (used >= charge) return true;
  const toCharge = pool.toChargeAfter(used, givenUpBy(part));
  // the most that the others can be charged; lost ones stay as they are
  const most = pool.granted + pool.lost - (isLost ? charge : size);
  return Math.min(toCharge, most) + pool.uncertain <= pool.charged - charge;
}

/** Takes the slice out of its pools. @returns what it is to be settled with */
export function takeOut(slice: Slice): readonly number[] {
  return slice.parts.map((part) => {
    const { pool, size, charge } = part;
    const used = usedOf(part);
    pool.slices.delete(slice);
    if (slice.isLost) pool.lost -= charge;
    else pool.granted -= size;
    pool.charged -= charge;
    pool.used -= used;
    pool.postedSince += used;
    return used;
  });
}
