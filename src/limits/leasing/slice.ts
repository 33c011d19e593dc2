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

/** What of the pool's use the part would be settled with. */
function usedOf({ pool, size }: SlicePart): number {
  if (pool.isCounting || (pool.slices.size === 1 && pool.open === 0)) return pool.used;
  return Math.min(size, pool.used);
}

/** What room a pool loses when the part is settled. */
export function givenUpBy(part: SlicePart): number {
  return Math.max(0, part.size - usedOf(part));
}

/** Whether the slice can be settled and the rest still covers what is held here. */
export function canPost(slice: Slice): boolean {
  return slice.parts.every((part) => {
    const { pool, size } = part;
    if (pool.isCounting) return pool.open === 0 || !pool.isRetired;
    if (slice.isLost) return pool.used >= size || pool.open === 0;
    // the last one is the place where what is still open will be posted
    if (pool.slices.size === 1 && pool.open > 0) return false;
    return givenUpBy(part) <= Math.max(0, pool.free) && isCharged(part);
  });
}

/** Whether the other slices are charged what would be lost with this node once this one is posted. */
function isCharged(part: SlicePart): boolean {
  const { pool, size, charge } = part;
  const toCharge = Math.max(0, pool.toCharge - usedOf(part) - givenUpBy(part));
  return Math.min(toCharge, pool.granted - size) <= pool.charged - charge;
}

/** Takes the slice out of its pools. @returns what it is to be settled with */
export function takeOut(slice: Slice): readonly number[] {
  return slice.parts.map((part) => {
    const { pool, size } = part;
    const used = usedOf(part);
    pool.slices.delete(slice);
    if (!slice.isLost) {
      pool.granted -= size;
      pool.charged -= part.charge;
    }
    pool.used -= used;
    pool.postedSince += used;
    return used;
  });
}
