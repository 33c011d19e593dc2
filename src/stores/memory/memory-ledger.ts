import type { Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState, Span } from '../../limits/ledger.ts';
import type { Runtime } from '../../runtime.ts';

interface Bucket {
  readonly id: number;
  readonly forgetMs: number;
  used: number;
  held: number;
}

/** The buckets of one scope: the newest, and for rolling windows those before it. */
interface Meter {
  newest: Bucket;
  older: Bucket[] | undefined;
}

interface Reservation {
  readonly scopes: readonly LedgerScope[];
  /** The bucket that each scope was reserved in, in the same order. */
  readonly buckets: readonly Bucket[];
  readonly result: ReserveResult;
  charges: readonly number[] | undefined;
  expiresAtMs: number;
}

/** Bounds of a memory ledger. */
export interface MemoryLedgerOptions {
  /** Settled and denied ids remembered at least, so that a repeated one changes nothing; at most twice as many. @default 1_000 */
  readonly maxEnded?: number;
  /** Expired reservations that a late settlement can still correct; the oldest go first. @default 10_000 */
  readonly maxExpired?: number;
  /** Scopes without any hold and past their window are forgotten above this many. @default 100_000 */
  readonly maxScopes?: number;
}

/** A ledger in the memory of one process: exact, since JavaScript runs one step at a time, and gone with the process. */
export function createMemoryLedger(runtime: Runtime, options: MemoryLedgerOptions = {}): Ledger {
  return new MemoryLedger(runtime, options);
}

class MemoryLedger implements Ledger {
  readonly #runtime: Runtime;
  readonly #maxEnded: number;
  readonly #maxExpired: number;
  readonly #maxScopes: number;
  readonly #meters = new Map<string, Meter>();
  readonly #open = new Map<string, Reservation>();
  /** Two generations: when the newer is full the older is forgotten, which costs nothing for each entry. */
  #ended = new Map<string, ReserveResult>();
  #endedBefore = this.#ended;
  readonly #expired = new Map<string, Reservation>();
  #sweptAtMs = 0;
  #nowMs = 0;

  constructor(runtime: Runtime, options: MemoryLedgerOptions) {
    this.#runtime = runtime;
    this.#maxEnded = options.maxEnded ?? 1_000;
    this.#maxExpired = options.maxExpired ?? 10_000;
    this.#maxScopes = options.maxScopes ?? 100_000;
  }

  nowMs(): number {
    // a clock that is set back does not bring a window back
    this.#nowMs = Math.max(this.#nowMs, this.#runtime.now());
    return this.#nowMs;
  }

  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): ReserveResult {
    const known = this.#open.get(id)?.result ?? this.#ended.get(id) ?? this.#endedBefore.get(id);
    if (known) return known;
    check(scopes);
    const nowMs = this.nowMs();
    this.#sweep(nowMs);
    for (let index = 0; index < scopes.length; index++) {
      const { span } = scopes[index] as LedgerScope;
      if (nowMs < span.fromMs || nowMs >= span.untilMs) return { kind: 'stale', nowMs };
    }
    const buckets: Bucket[] = [];
    const states: ScopeState[] = [];
    let deniedAt = -1;
    for (let index = 0; index < scopes.length; index++) {
      const scope = scopes[index] as LedgerScope;
      const meter = this.#meterOf(scope.key, scope.span);
      buckets.push(meter.newest);
      const state = stateOf(scope, meter);
      states.push(state);
      const isFull = state.used + state.held + scope.hold > scope.amount;
      if (isFull && scope.mode === 'block' && deniedAt < 0) deniedAt = index;
    }
    if (deniedAt >= 0) {
      const result: ReserveResult = { kind: 'denied', deniedAt, scopes: states };
      this.#remember(id, result);
      return result;
    }
    for (let index = 0; index < scopes.length; index++) {
      const { hold } = scopes[index] as LedgerScope;
      (buckets[index] as Bucket).held += hold;
      (states[index] as { held: number }).held += hold;
    }
    const result: ReserveResult = { kind: 'granted', scopes: states };
    this.#open.set(id, { scopes, buckets, result, charges: undefined, expiresAtMs: nowMs + leaseMs });
    return result;
  }

  renew(id: string, leaseMs: number, charges?: readonly number[]): boolean {
    const nowMs = this.nowMs();
    this.#sweep(nowMs);
    const reservation = this.#open.get(id);
    if (!reservation) return false;
    reservation.expiresAtMs = nowMs + leaseMs;
    if (charges) reservation.charges = charges;
    return true;
  }

  settle(id: string, used: readonly number[]): void {
    const reservation = this.#open.get(id);
    if (reservation) {
      this.#end(id, reservation, used);
      return;
    }
    const expired = this.#expired.get(id);
    if (!expired) return;
    // what it was charged is replaced by what it used, once
    this.#expired.delete(id);
    for (let index = 0; index < expired.scopes.length; index++) {
      (expired.buckets[index] as Bucket).used += (used[index] ?? 0) - (expired.charges?.[index] ?? 0);
    }
  }

  peek(scopes: readonly ReadScope[]): readonly ScopeState[] {
    this.#sweep(this.nowMs());
    return scopes.map((scope) => {
      const meter = this.#meters.get(scope.key);
      return meter ? stateOf(scope, meter) : { key: scope.key, used: 0, held: 0, amount: scope.amount };
    });
  }

  #meterOf(key: string, span: Span): Meter {
    const known = this.#meters.get(key);
    if (known && known.newest.id >= span.bucket) return known;
    const newest: Bucket = { id: span.bucket, forgetMs: span.forgetMs, used: 0, held: 0 };
    if (!known) {
      const meter: Meter = { newest, older: undefined };
      this.#meters.set(key, meter);
      if (this.#meters.size > this.#maxScopes) this.#forgetIdle();
      return meter;
    }
    const first = span.buckets[0] as number;
    const kept = [...(known.older ?? []), known.newest].filter(({ id }) => id >= first);
    known.older = kept.length > 0 ? kept : undefined;
    known.newest = newest;
    return known;
  }

  #end(id: string, reservation: Reservation, used: readonly number[]): void {
    const { scopes, buckets } = reservation;
    this.#open.delete(id);
    this.#remember(id, reservation.result);
    for (let index = 0; index < scopes.length; index++) {
      const bucket = buckets[index] as Bucket;
      bucket.held -= (scopes[index] as LedgerScope).hold;
      bucket.used += used[index] ?? 0;
    }
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAtMs < 1_000) return;
    this.#sweptAtMs = nowMs;
    for (const [id, reservation] of this.#open) {
      if (reservation.expiresAtMs > nowMs) continue;
      const charges = reservation.charges ?? reservation.scopes.map(({ charge }) => charge);
      this.#end(id, reservation, charges);
      reservation.charges = charges;
      this.#expired.set(id, reservation);
      if (this.#expired.size > this.#maxExpired)
        this.#expired.delete(this.#expired.keys().next().value as string);
    }
  }

  #remember(id: string, result: ReserveResult): void {
    if (this.#ended.size >= this.#maxEnded) {
      this.#endedBefore = this.#ended;
      this.#ended = new Map();
    }
    this.#ended.set(id, result);
  }

  #forgetIdle(): void {
    for (const [key, { newest }] of this.#meters) {
      if (this.#meters.size <= this.#maxScopes) return;
      // what counts for ever is somebody's budget and is never forgotten
      if (newest.held === 0 && newest.id !== 0) this.#meters.delete(key);
    }
  }
}

function stateOf({ key, amount, span }: ReadScope, { newest, older }: Meter): ScopeState {
  let { used, held } = newest;
  // read in a span that has begun since, nothing of it counts any more
  if (newest.id < (span.buckets[0] as number)) used = held = 0;
  if (older !== undefined && span.buckets.length > 1) {
    for (const bucket of older) {
      if (!span.buckets.includes(bucket.id)) continue;
      used += bucket.used;
      held += bucket.held;
    }
  }
  return { key, used, held, amount };
}

function check(scopes: readonly LedgerScope[]): void {
  for (let index = 0; index < scopes.length; index++) {
    const { key, hold, charge } = scopes[index] as LedgerScope;
    if (!Number.isSafeInteger(hold) || hold < 0 || !Number.isSafeInteger(charge) || charge < 0) {
      throw new TypeError(
        `A hold and a charge are safe integers of at least 0; "${key}" has ${hold} and ${charge}.`,
      );
    }
    for (let other = 0; other < index; other++) {
      if ((scopes[other] as LedgerScope).key === key)
        throw new TypeError(`Two scopes have the key "${key}".`);
    }
  }
}
