import type { Pool } from './pool.ts';

/** One reservation in the shared ledger: room for this node to decide in. */
export interface Slice {
  readonly id: string;
  readonly parts: readonly SlicePart[];
  readonly takenAtMs: number;
  /** Until here, by the monotonic clock of this node, the shared ledger is sure to hold it. */
  safeUntilMs: number;
  renewedAtMs: number;
  isRenewing: boolean;
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

/**
 * What of the pool's use the part would be settled with. No more than it is charged: whether the shared ledger hears of it
 * before the lease runs out or after, and of whichever slice first, it then never counts more than there is, nor less.
 */
function usedOf({ pool, size, charge }: SlicePart): number {
  if (pool.isCounting || (pool.slices.size === 1 && pool.open === 0)) return pool.used;
  return Math.min(size, charge, pool.used);
}

/** What room a pool loses when the part is settled. */
export function givenUpBy(part: SlicePart): number {
  return Math.max(0, part.size - usedOf(part));
}

/** Whether the slice can be settled and the rest still covers what is held here. */
export function canPost({ parts, isLost }: Slice): boolean {
  return parts.every((part) => {
    const { pool, charge } = part;
    if (pool.isCounting) return pool.open === 0 || !pool.isRetired;
    // the last one is the place where what is still open will be posted
    if (pool.slices.size === 1 && pool.open > 0) return false;
    if (isLost) return pool.used >= charge || pool.open === 0;
    return givenUpBy(part) <= Math.max(0, pool.free) && isCharged(part);
  });
}

/** Whether the other slices are charged what would be lost with this node once this one is posted. */
function isCharged(part: SlicePart): boolean {
  const { pool, size, charge } = part;
  const toCharge = pool.toChargeAfter(usedOf(part), givenUpBy(part));
  return Math.min(toCharge, pool.granted - size + pool.lost) <= pool.charged - charge;
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
