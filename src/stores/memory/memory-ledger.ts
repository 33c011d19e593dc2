import type { Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState } from '../../limits/ledger.ts';
import { quietly } from '../../quietly.ts';
import type { Runtime } from '../../runtime.ts';
import { checkAmounts, checkLease, isStale } from './checks.ts';
import { type Expiring, ExpiryQueue } from './expiry-queue.ts';
import { IdTable } from './id-table.ts';
import {
  addHeld,
  addUsed,
  advanceMeter,
  type Bucket,
  createMeter,
  isIdle,
  keepLonger,
  type Meter,
  readMeter,
} from './meter.ts';
import { Ring } from './ring.ts';

// Classes, not literals: the ledger keeps the first objects, from which V8 would conclude that a literal here makes
// long-lived ones and allocate all later ones in the old generation, where they retain what they hold.

class Reservation implements Expiring {
  readonly id: string;
  readonly result: ReserveResult;
  kind: 'held' | 'expired' | 'ended';
  scopes: readonly LedgerScope[];
  /** The bucket that each scope was reserved in, in the same order. */
  buckets: readonly Bucket[];
  /** The charges a renewal gave; until then those of the scopes. */
  charges: number[] | undefined = undefined;
  expiresAtMs: number;
  place = 0;

  constructor(
    id: string,
    result: ReserveResult,
    scopes: readonly LedgerScope[],
    buckets: readonly Bucket[],
    expiresAtMs: number,
  ) {
    this.id = id;
    this.result = result;
    const isGranted = result.kind === 'granted';
    this.kind = isGranted ? 'held' : 'ended';
    this.scopes = isGranted ? scopes : nothing;
    this.buckets = isGranted ? buckets : nothing;
    this.expiresAtMs = expiresAtMs;
  }
}

class State implements ScopeState {
  readonly key: string;
  readonly used: number;
  readonly held: number;
  readonly amount: number;

  constructor({ key, used, held }: Meter, amount: number) {
    this.key = key;
    this.used = used;
    this.held = held;
    this.amount = amount;
  }
}

/** Bounds of a memory ledger. */
export interface MemoryLedgerOptions {
  /** Settled and denied ids remembered, so that a repeated one changes nothing; the oldest go first. @default 100 */
  readonly maxEnded?: number;
  /** Expired reservations remembered, which a late settlement can still correct; the oldest go first. @default 10_000 */
  readonly maxExpired?: number;
  /**
   * The most scopes that block kept at once, and as many that only count. Those with nothing used or held, or whose
   * window is over, make room for new ones. When there are none, a reservation with a new scope that blocks is refused
   * with an Error; one that only counts is granted, and forgotten. About 300 bytes each. @default 100_000
   */
  readonly maxScopes?: number;
  /** Told the first time there is no room for a scope that blocks, or for one that only counts. @default nobody */
  readonly onError?: (error: Error) => void;
}

/**
 * A ledger in the memory of one process, lost with it. Methods return synchronously, never a promise. An invalid use,
 * charge or lease is a TypeError in every method, and changes nothing. The clock is the runtime's; if it is set back,
 * it counts as standing still until it has caught up, and no window or lease ends in that time.
 *
 * @throws TypeError for a bound that is not an integer ≥ 1
 */
export function createMemoryLedger(runtime: Runtime, options: MemoryLedgerOptions = {}): MemoryLedger {
  const { maxEnded = 100, maxExpired = 10_000, maxScopes = 100_000 } = options;
  const tell = quietly(options.onError);
  for (const [name, bound] of Object.entries({ maxEnded, maxExpired, maxScopes })) {
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new TypeError(`"${name}" is an integer of at least 1, not ${bound}.`);
    }
  }
  const reservations = new IdTable<Reservation>();
  const meters = new Map<string, Meter>();
  const queue = new ExpiryQueue<Reservation>();
  const ended = new Ring<Reservation>(maxEnded);
  const expired = new Ring<Reservation>(maxExpired);
  let lastMs = 0;
  let serial = 0;
  let hand = meters.values();
  // separate, so that names anybody may choose take no room from limits that block
  const sizes = { block: 0, count: 0 };
  const told = new Set<Meter['mode']>();

  function nowMs(): number {
    const ms = runtime.now();
    // a clock that is set back does not bring a window back
    if (ms > lastMs) lastMs = ms;
    return lastMs;
  }

  /** Posts the leases that have run out, each once: this costs what not settling them has saved. */
  function expire(atMs: number): void {
    for (let first = queue.first; first !== undefined && first.expiresAtMs <= atMs; first = queue.first) {
      queue.remove(first);
      first.kind = 'expired';
      post(first, first.charges, true);
      const oldest = expired.push(first);
      if (oldest === undefined) continue;
      if (oldest.kind === 'expired') close(oldest);
      reservations.delete(oldest.id);
    }
  }

  /** Replaces the holds by what was used; where `used` has nothing, by the charge on expiry, else by 0. */
  function post(
    { scopes, buckets }: Reservation,
    used: readonly number[] | undefined,
    isExpiry: boolean,
  ): void {
    for (let index = 0; index < scopes.length; index++) {
      const { hold, charge } = scopes[index] as LedgerScope;
      const bucket = buckets[index] as Bucket;
      addHeld(bucket, -hold);
      addUsed(bucket, used?.[index] ?? (isExpiry ? charge : 0));
    }
  }

  /** Nothing more will be posted for it. */
  function close(reservation: Reservation): void {
    for (const bucket of reservation.buckets) bucket.meter.references--;
    reservation.kind = 'ended';
    reservation.scopes = nothing;
    reservation.buckets = nothing;
    reservation.charges = undefined;
  }

  function remember(reservation: Reservation): void {
    const oldest = ended.push(reservation);
    if (oldest !== undefined) reservations.delete(oldest.id);
  }

  function meterOf(scope: LedgerScope, atMs: number): Meter {
    const { key, mode, span } = scope;
    const known = meters.get(key);
    if (known !== undefined) {
      if (known.newest.id < span.bucket) advanceMeter(known, span);
      else keepLonger(known, span);
      return known;
    }
    forgetIdle(sizes[mode] < maxScopes ? 2 : Math.min(1_000, meters.size + 1), atMs);
    const meter = createMeter(scope);
    if (sizes[mode] < maxScopes) {
      sizes[mode]++;
      meters.set(key, meter);
      return meter;
    }
    const error = new Error(`The memory ledger has ${maxScopes} scopes that ${mode}, all in use.`);
    if (!told.has(mode)) tell(error);
    told.add(mode);
    if (mode === 'block') throw error;
    return meter;
  }

  /** Looks at the next few meters, round robin: looking at all would block everything else. */
  function forgetIdle(count: number, atMs: number): void {
    for (let index = 0; index < count; index++) {
      const { value, done } = hand.next();
      if (done) hand = meters.values();
      else if (value.stamp !== serial && isIdle(value, atMs) && meters.delete(value.key)) sizes[value.mode]--;
    }
  }

  return {
    nowMs,

    reserve(id, scopes, leaseMs) {
      const known = reservations.get(id);
      if (known !== undefined) return known.result;
      const atMs = nowMs();
      if (isStale(scopes, leaseMs, atMs)) return { kind: 'stale', nowMs: atMs };
      expire(atMs);
      serial++;
      const count = scopes.length;
      const buckets = new Array<Bucket>(count);
      let deniedAt = -1;
      for (let index = 0; index < count; index++) {
        const scope = scopes[index] as LedgerScope;
        const { key, amount, hold, mode } = scope;
        const meter = meterOf(scope, atMs);
        if (meter.stamp === serial) throw new TypeError(`Two scopes have the key "${key}".`);
        meter.stamp = serial;
        buckets[index] = meter.newest;
        // a sum could exceed the safe integers, a difference cannot
        const isFull = hold > amount - meter.used - meter.held;
        if (isFull && deniedAt < 0 && mode === 'block') deniedAt = index;
      }
      const isGranted = deniedAt < 0;
      const states = new Array<ScopeState>(count);
      let held = scopes;
      for (let index = 0; index < count; index++) {
        const scope = scopes[index] as LedgerScope;
        const bucket = buckets[index] as Bucket;
        const { meter } = bucket;
        if (isGranted) {
          // what only counts holds no more than can be subtracted again exactly
          const hold = Math.min(scope.hold, Math.max(0, Number.MAX_SAFE_INTEGER - meter.used - meter.held));
          if (hold < scope.hold) held = held.with(index, { ...scope, hold });
          addHeld(bucket, hold);
          meter.references++;
        }
        states[index] = new State(meter, scope.amount);
      }
      const result: ReserveResult = isGranted
        ? { kind: 'granted', scopes: states }
        : { kind: 'denied', deniedAt, scopes: states };
      const reservation = new Reservation(id, result, held, buckets, atMs + leaseMs);
      reservations.add(reservation);
      if (isGranted) queue.add(reservation);
      else remember(reservation);
      return result;
    },

    renew(id, leaseMs, charges) {
      const atMs = nowMs();
      expire(atMs);
      const reservation = reservations.get(id);
      if (reservation?.kind !== 'held') return false;
      checkLease(leaseMs);
      const { scopes } = reservation;
      if (charges !== undefined) {
        checkAmounts(charges, scopes.length, 'charge');
        reservation.charges ??= scopes.map(({ charge }) => charge);
        for (let index = 0; index < scopes.length; index++) {
          const charge = charges[index];
          if (charge !== undefined) reservation.charges[index] = charge;
        }
      }
      reservation.expiresAtMs = atMs + leaseMs;
      queue.move(reservation);
      return true;
    },

    settle(id, used) {
      const reservation = reservations.get(id);
      if (reservation === undefined || reservation.kind === 'ended') return;
      const { scopes, buckets, charges } = reservation;
      checkAmounts(used, scopes.length, 'use');
      if (reservation.kind === 'held') {
        queue.remove(reservation);
        post(reservation, used, false);
        remember(reservation);
      } else {
        // the use replaces the charge
        for (let index = 0; index < scopes.length; index++) {
          const charged = charges?.[index] ?? (scopes[index] as LedgerScope).charge;
          addUsed(buckets[index] as Bucket, (used[index] ?? 0) - charged);
        }
      }
      close(reservation);
    },

    peek(scopes) {
      expire(nowMs());
      return scopes.map((scope) => readMeter(scope, meters.get(scope.key)));
    },
  };
}

/** A synchronous ledger. Its methods need no `this`. */
export interface MemoryLedger extends Ledger {
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): ReserveResult;
  renew(id: string, leaseMs: number, charges?: readonly number[]): boolean;
  settle(id: string, used: readonly number[]): void;
  peek(scopes: readonly ReadScope[]): readonly ScopeState[];
}

const nothing: readonly never[] = [];
