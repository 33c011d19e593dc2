import type { LedgerScope, ScopeState, Span } from '../ledger.ts';
import type { LeasingSettings } from './options.ts';
import type { Slice, SlicePart } from './slice.ts';
import type { Waiter } from './waiter.ts';

/** A few requests do not show a rate: below this many in one tick a scope gets exactly what it asks. */
const fewDraws = 3;
/** About one request in two ticks; slower scopes have no use for slices. */
const slowDraws = 0.25;

/**
 * What this node has of one bucket of one scope. Slices form one amount: what is held here belongs to no slice in
 * particular, so that any of them can be posted as soon as the others cover what is held.
 */
export class Pool {
  readonly key: string;
  readonly span: Span;
  readonly amount: number;
  /** Never denies: used and held are counted, and slices hold nothing. */
  readonly isCounting: boolean;
  readonly slices = new Set<Slice>();
  /** The sum of the slices that the shared ledger holds. */
  granted = 0;
  /** What all of them are sure to be charged if this node dies. */
  charged = 0;
  /** The part of `charged` whose slices the shared ledger no longer holds: their leases ran out. */
  lost = 0;
  /** What was posted beyond its charge and the shared ledger has not heard of yet. */
  uncertain = 0;
  /** Used but not posted yet. */
  used = 0;
  /** Held by open reservations, and the charges of expired ones that may still be corrected. */
  held = 0;
  /** What the open and expired reservations charge. */
  heldCharge = 0;
  /** The part of `held` that expired ones were charged. */
  expired = 0;
  /** Open and expired reservations. */
  open = 0;
  /** Held for a request that the shared ledger is being asked about. */
  claimed = 0;
  /** What such requests charge. */
  claimedCharge = 0;
  /** Whether what is free counts as used if this node dies. Not for slots: what holds and charges nothing. */
  readonly isCharging: boolean;
  /** Calls under way that may add a slice. */
  asks = 0;
  isRefilling = false;
  /** Asked for ahead of need and not answered yet. */
  underWay = 0;
  waiting: Waiter[] = [];
  /** What the waiting requests want to hold. */
  awaited = 0;
  /** Takes no more reservations: the bucket is over, the amount changed, or its lease is in doubt. */
  isRetired = false;
  /** A settlement found that more was used than held. */
  isOverrun = false;
  /** The pool that this one follows, while slices may still come to it. */
  readonly before: Pool | undefined;
  /** No later than when the first slice here is in doubt. */
  safeUntilMs = Number.POSITIVE_INFINITY;
  /** Above this much room slices are given back. */
  keep = 0;
  /** Below this much room another slice is taken ahead of need. */
  low = -1;
  touchedAtMs: number;
  postedAtMs: number;
  postedSince = 0;
  #seenUsed = 0;
  #seenHeld = 0;
  drawn = 0;
  draws = 0;
  #drawnPerTick = 0;
  #drawsPerTick = 0;
  #largest = 0;

  constructor(scope: LedgerScope, nowMs: number, before?: Pool) {
    this.key = scope.key;
    this.span = scope.span;
    this.amount = scope.amount;
    this.isCounting = scope.mode === 'count';
    this.isCharging = scope.charge > 0 || scope.hold === 0 || before?.isCharging === true;
    this.touchedAtMs = nowMs;
    this.postedAtMs = nowMs;
    this.before = before && before.asks > 0 ? before : undefined;
    if (!before) return;
    this.#drawnPerTick = Math.max(before.#drawnPerTick, before.drawn);
    this.#drawsPerTick = Math.max(before.#drawsPerTick, before.draws);
    this.#largest = before.#largest;
    if (before.span.bucket === scope.span.bucket || scope.span.buckets.length > 1) {
      this.#seenUsed = before.#seenUsed + before.postedSince;
      this.#seenHeld = before.#seenHeld + before.granted;
    }
  }

  /** What can be granted here. Below 0 when more was used than held. */
  get free(): number {
    return this.granted - this.used - this.held - this.claimed;
  }

  /** Whether memory can decide. Without a slice there is nowhere to post to, so even a hold of 0 must ask. */
  covers({ hold, charge }: LedgerScope): boolean {
    return this.hasRoom(hold) && this.hasCharge(hold, charge);
  }

  hasRoom(hold: number): boolean {
    return this.isCounting || (this.free >= hold && this.slices.size > 0);
  }

  /** Whether the shared ledger is sure to count this too if leases run out, except for a charge beyond the hold. */
  hasCharge(hold: number, charge: number): boolean {
    const least = Math.min(hold, charge);
    return this.isCounting || least === 0 || least <= this.chargeLeft;
  }

  /** How much more charge may be granted. Below 0 when more was used than charged. */
  get chargeLeft(): number {
    return this.charged - this.used - this.heldCharge - this.claimedCharge - this.uncertain;
  }

  draw(hold: number, charge: number): void {
    this.held += hold;
    this.heldCharge += charge;
    this.open++;
    this.drawn += hold;
    this.draws++;
    if (hold > this.#largest) this.#largest = hold;
  }

  /** How full the scope is, as far as known here. */
  view(): ScopeState {
    const used = this.#seenUsed + this.postedSince + this.used + this.expired;
    return { key: this.key, used, held: this.#seenHeld + this.held - this.expired, amount: this.amount };
  }

  /** Notes what the shared ledger says of all nodes together, this one included. */
  note({ used, held }: ScopeState): void {
    this.#seenUsed = used;
    this.#seenHeld = Math.max(0, held - this.granted);
    this.postedSince = 0;
  }

  /** Whether the amount is reached, as far as known here. */
  get isExceeded(): boolean {
    const { used, held } = this.view();
    return used + held >= this.amount;
  }

  /** What nobody has, as far as known here. */
  get #rest(): number {
    return this.amount - this.#seenUsed - this.postedSince - this.#seenHeld - this.granted;
  }

  /** How much room is wanted here. 0 where a slice is not worthwhile. */
  #target({ aheadMs, tickMs, maxShare, maxShareOfRest }: LeasingSettings): number {
    if (this.isRetired || this.isCounting) return 0;
    if (this.draws < fewDraws && this.#drawsPerTick < slowDraws) return 0;
    const demand = (Math.max(this.drawn, this.#drawnPerTick) * aheadMs) / tickMs;
    const wanted = Math.max(demand, 2 * this.#largest);
    const shared = Math.max(0, this.#rest + Math.max(0, this.free)) * maxShareOfRest;
    const target = Math.floor(Math.min(wanted, this.amount * maxShare, shared));
    return target < this.#largest ? 0 : target;
  }

  /** Sets the levels to keep room between. @returns what is wanted now: the size of another slice, or 0 */
  plan(settings: LeasingSettings): number {
    const target = this.#target(settings);
    this.keep = Math.min(2 * target, this.largestUnused(settings));
    this.low = target > 0 ? target / 2 : -1;
    // what requests wait for is not ahead of need, so no share bounds it
    const ahead = this.free < this.low ? Math.floor(target - Math.max(0, this.free)) : 0;
    // what is asked meanwhile for a single request is already taken
    const rest = this.#rest + Math.min(0, this.free);
    return Math.max(0, Math.min(Math.max(ahead, this.awaited), rest));
  }

  /**
   * No slice taken for several requests is larger, so that what becomes free can be given back whatever is still open:
   * a larger one would have to be exchanged for a smaller, which a full limit does not grant.
   */
  largestSlice(settings: LeasingSettings): number {
    return Math.max(1, this.largestUnused(settings), this.#largest);
  }

  /** What is taken ahead of need never leaves more than this unused. */
  largestUnused({ maxShare }: LeasingSettings): number {
    return Math.floor(this.amount * maxShare);
  }

  /** Forgets half of the rate. */
  tick(nowMs: number, { idleMs }: LeasingSettings): void {
    if (this.draws > 0) this.touchedAtMs = nowMs;
    this.#drawnPerTick = (this.#drawnPerTick + this.drawn) / 2;
    this.#drawsPerTick = (this.#drawsPerTick + this.draws) / 2;
    if (nowMs - this.touchedAtMs >= idleMs) this.#drawnPerTick = this.#drawsPerTick = 0;
    this.drawn = this.draws = 0;
  }

  /** Counts what was used, never more than a ledger can be told. */
  use(amount: number): void {
    this.used = Math.min(Number.MAX_SAFE_INTEGER, this.used + amount);
  }

  /** What would be lost with this node unless charged: also what may be used before the next report. */
  get toCharge(): number {
    return this.toChargeAfter(0, 0);
  }

  /** The same once `posted` of what was used is reported to the shared ledger, and `room` given back. */
  toChargeAfter(posted: number, room: number): number {
    const rest = Math.max(0, this.granted - this.used - this.held - room);
    const spare = this.isRetired ? Math.min(rest, this.claimed) : rest;
    const charge = this.used - posted + this.heldCharge + (this.isCharging && !this.isCounting ? spare : 0);
    // sums of large numbers are not exact: more may have been subtracted than added
    return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, charge));
  }

  /** Sets what each slice is to be charged. The oldest are charged last, since they are posted first. */
  shareCharges(): void {
    let left = this.toCharge;
    const slices = [...this.slices].reverse();
    slices.forEach(({ parts, isLost }, index) => {
      const part = parts.find(({ pool }) => pool === this) as SlicePart;
      // already charged
      if (isLost) part.wanted = part.charge;
      else part.wanted = index === slices.length - 1 ? left : Math.min(part.size, left);
      left = Math.max(0, left - part.wanted);
    });
  }

  /** What a part may be charged next. Less only as far as the other slices are sure to be charged the difference. */
  nextCharge({ charge, wanted }: SlicePart): number {
    return Math.max(wanted, charge - Math.max(0, this.charged - this.toCharge));
  }

  /** Whether a slice may have expired in the shared ledger. */
  isInDoubt(monotonicMs: number): boolean {
    if (monotonicMs < this.safeUntilMs) return false;
    this.safeUntilMs = Number.POSITIVE_INFINITY;
    for (const { safeUntilMs } of this.slices) this.safeUntilMs = Math.min(this.safeUntilMs, safeUntilMs);
    return monotonicMs >= this.safeUntilMs;
  }
}
