import type { Lender } from './lender.ts';
import type { LeasingSettings } from './options.ts';
import type { Pool } from './pool.ts';
import type { PoolTable } from './pool-table.ts';
import { canPost, givenUpBy, type Slice } from './slice.ts';

/** Slices that one settlement tries to give back; the next tick handles the rest. */
const maxTried = 16;
/** Counted scopes announced in one reservation. */
const maxAnnounced = 64;
const announceMs = 10;

/** Looks after the slices: takes them ahead of need, posts what was used, gives back what is not. */
export class Upkeep {
  /** Called when a pool may have more room. */
  onRoom: (pool: Pool) => void = () => undefined;
  /** Called when a request for a pool failed. */
  onFailure: (pool: Pool, error: unknown) => void = () => undefined;
  /** Used in counted scopes whose bucket ended before the shared ledger knew of it. */
  uncounted = 0;
  readonly #settings: LeasingSettings;
  readonly #table: PoolTable;
  readonly #lender: Lender;
  readonly #unannounced = new Set<Pool>();
  #cancelAnnouncement: (() => void) | undefined;

  constructor(settings: LeasingSettings, table: PoolTable, lender: Lender) {
    this.#settings = settings;
    this.#table = table;
    this.#lender = lender;
    table.onRetire = (pool) => this.giveBack(pool);
    lender.onPosted = (pool) => {
      if (!pool.isCounting && (pool.keep === 0 || pool.free > pool.keep)) this.giveBack(pool);
    };
  }

  /** After a reservation: is more wanted ahead of need? */
  drew(pools: readonly Pool[]): void {
    for (let index = 0; index < pools.length; index++) {
      const pool = pools[index] as Pool;
      if (pool.isCounting) {
        if (pool.slices.size === 0 && !pool.isRefilling) this.#announceSoon(pool);
      } else if (pool.free < pool.low) this.refill(pool);
    }
  }

  /** After a settlement: is there more room than is wanted? */
  settled(pools: readonly Pool[]): void {
    for (let index = 0; index < pools.length; index++) {
      const pool = pools[index] as Pool;
      if (pool.isCounting) {
        if (pool.slices.size === 0 && !pool.isRefilling) this.#announceSoon(pool);
      } else {
        // what was taken ahead would now be above the limit
        if (pool.isOverrun && pool.isExceeded) this.#table.retire(pool);
        pool.isOverrun = false;
        if (pool.keep === 0 || pool.free > pool.keep) this.giveBack(pool);
      }
    }
    // only now: what waiting requests take of one scope could block giving back a slice of several
    for (let index = 0; index < pools.length; index++) {
      const pool = pools[index] as Pool;
      if (pool.waiting.length > 0 && pool.asks === 0) this.onRoom(pool);
    }
  }

  /** After a denial: what was taken for the request in other scopes may exceed what this node may have unused. */
  denied(pools: Iterable<Pool>): void {
    for (const pool of pools) {
      if (!pool.isCounting && pool.free > pool.largestUnused(this.#settings)) this.giveBack(pool);
    }
  }

  /** Takes another slice if one is wanted and none is under way. */
  refill(pool: Pool): void {
    if (pool.isRefilling || this.#lender.isFailing) return;
    const size = pool.plan(this.#settings);
    if (size > 0) void this.#take(pool, size);
  }

  async #take(pool: Pool, size: number): Promise<void> {
    pool.isRefilling = true;
    pool.underWay = size;
    const most = pool.largestSlice(this.#settings);
    const taking: Promise<void>[] = [];
    for (let left = size; left > 0; left -= most) taking.push(this.#takeOne(pool, Math.min(left, most)));
    await Promise.all(taking);
    pool.isRefilling = false;
    pool.underWay = 0;
    if (pool.isRetired) this.giveBack(pool);
    this.onRoom(pool);
  }

  async #takeOne(pool: Pool, size: number): Promise<void> {
    try {
      const { kind } = await this.#lender.ask([{ pool, size }]);
      if (kind !== 'granted') pool.low = -1;
    } catch (error) {
      pool.low = -1;
      this.onFailure(pool, error);
    }
  }

  /** Settles slices that are used up or unwanted, as far as the rest covers what is held. */
  giveBack(pool: Pool, most = maxTried): void {
    let tried = 0;
    for (const slice of pool.slices) {
      if (++tried > most) return;
      const isWanted = !slice.isLost && pool.free <= pool.keep && givenUp(slice, pool) > 0;
      if (!isWanted && canPost(slice)) this.#lender.post(slice);
    }
  }

  /** One round over everything. */
  tick(): void {
    const { shared, runtime } = this.#settings;
    const nowMs = shared.nowMs();
    const monotonicMs = runtime.monotonicMs();
    for (const pool of [...this.#table.all()]) {
      if (nowMs >= pool.span.untilMs) this.#table.retire(pool);
      pool.tick(monotonicMs, this.#settings);
      if (pool.isCounting) this.#countOn(pool, monotonicMs);
      else this.#look(pool, monotonicMs);
      if (this.#isDone(pool, monotonicMs)) this.#table.drop(pool);
    }
    void this.#lender.renewDue();
  }

  #look(pool: Pool, monotonicMs: number): void {
    const { postMs, tickMs } = this.#settings;
    const size = pool.plan(this.#settings);
    this.giveBack(pool, Number.POSITIVE_INFINITY);
    if (pool.used === 0) pool.postedAtMs = monotonicMs;
    const isOverdue = pool.used > 0 && monotonicMs - pool.postedAtMs >= postMs - tickMs;
    if (isOverdue || pool.free > pool.keep) {
      const slice = smallest(pool, isOverdue);
      if (slice) this.#lender.post(slice);
      else void this.#compact(pool);
    }
    if (size > 0) this.refill(pool);
  }

  /** Holds again what is still held, so that the slice around it can be settled. */
  async #compact(pool: Pool): Promise<void> {
    if (pool.isRetired || pool.isRefilling || pool.asks > 0 || this.#lender.isFailing) return;
    const [slice] = pool.slices;
    const part = slice?.parts.length === 1 ? slice.parts[0] : undefined;
    if (!slice || !part || slice.isLost) return;
    const size = givenUpBy(part) - Math.max(0, pool.free);
    if (size <= 0 || size >= part.size) return;
    await this.#take(pool, size);
    if (pool.slices.has(slice) && canPost(slice)) this.#lender.post(slice);
  }

  #countOn(pool: Pool, monotonicMs: number): void {
    const { postMs, tickMs, idleMs } = this.#settings;
    if (pool.slices.size === 0) {
      if (pool.used === 0 && pool.open === 0) return;
      if (!pool.isRetired) this.#announceSoon(pool);
      else this.#carryOver(pool, monotonicMs);
      return;
    }
    for (const slice of pool.slices) {
      const isOver = slice.parts.every(({ pool }) => pool.used === 0 && pool.open === 0 && pool.isRetired);
      const hasUse = slice.parts.some(({ pool }) => pool.used > 0);
      const isIdle = slice.parts.every(
        ({ pool }) => pool.open === 0 && monotonicMs - pool.touchedAtMs >= idleMs,
      );
      const isDue = monotonicMs - slice.takenAtMs >= postMs - tickMs;
      if (!(isOver || isIdle || (hasUse && isDue)) || !canPost(slice)) continue;
      this.#lender.post(slice);
      for (const part of slice.parts) if (part.pool.open > 0) this.#announceSoon(part.pool);
    }
  }

  /** The bucket ended before the shared ledger knew of the use: it counts in the next one. */
  #carryOver(pool: Pool, monotonicMs: number): void {
    const next = this.#table.counting(pool.key);
    if (next && next !== pool) next.use(pool.used);
    else if (monotonicMs - pool.touchedAtMs < this.#settings.correctMs) return;
    else this.uncounted += pool.used;
    pool.used = 0;
  }

  #announceSoon(pool: Pool): void {
    this.#unannounced.add(pool);
    this.#cancelAnnouncement ??= this.#settings.runtime.schedule(announceMs, () => void this.#announceAll());
  }

  async #announceAll(): Promise<void> {
    this.#cancelAnnouncement = undefined;
    const pools = [...this.#unannounced].filter(
      ({ slices, isRefilling, isRetired }) => slices.size === 0 && !isRefilling && !isRetired,
    );
    this.#unannounced.clear();
    const announcing: Promise<void>[] = [];
    // only what ends together: one still open in a bucket that has ended blocks posting the whole slice
    for (const alike of Map.groupBy(pools, ({ span }) => span.untilMs).values()) {
      for (let from = 0; from < alike.length; from += maxAnnounced) {
        announcing.push(this.#announce(alike.slice(from, from + maxAnnounced)));
      }
    }
    await Promise.all(announcing);
  }

  /** A reservation that holds nothing and takes what is counted, even after its bucket has ended. */
  async #announce(pools: readonly Pool[]): Promise<void> {
    for (const pool of pools) pool.isRefilling = true;
    try {
      await this.#lender.ask(pools.map((pool) => ({ pool, size: 0 })));
    } catch {
      // the next tick tries again
    }
    for (const pool of pools) pool.isRefilling = false;
  }

  #isDone(pool: Pool, monotonicMs: number): boolean {
    const isEmpty =
      pool.slices.size === 0 &&
      pool.open === 0 &&
      pool.used === 0 &&
      pool.asks === 0 &&
      pool.waiting.length === 0 &&
      !pool.isRefilling;
    return isEmpty && (pool.isRetired || monotonicMs - pool.touchedAtMs >= this.#settings.idleMs);
  }

  /** Posts all that is counted; resolves when what had nowhere to be posted has a place, or cannot get one. */
  async stop(): Promise<void> {
    // in reverse, retired ones first: what they carry over must be there when their successors are posted
    for (const pool of [...this.#table.all()].reverse())
      if (pool.isCounting) this.#countOn(pool, Number.POSITIVE_INFINITY);
    this.#cancelAnnouncement?.();
    await this.#announceAll();
  }
}

function givenUp(slice: Slice, pool: Pool): number {
  const part = slice.parts.find((part) => part.pool === pool);
  return part ? givenUpBy(part) : 0;
}

/** The postable slice that gives up least; `mustPost`: whether giving up wanted room is better than not posting. */
function smallest(pool: Pool, mustPost: boolean): Slice | undefined {
  let found: Slice | undefined;
  for (const slice of pool.slices) {
    if (!canPost(slice) || !(mustPost || givenUp(slice, pool) < pool.free - pool.low)) continue;
    if (!found || givenUp(slice, pool) < givenUp(found, pool)) found = slice;
  }
  return found;
}
