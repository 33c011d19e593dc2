/** What a limit counts. `usd` amounts are integer nano-USD. */
export type LimitUnit = 'requests' | 'tokens' | 'usd' | 'parallel';

/**
 * Where in time a reservation is counted. Made from a limit's window and an instant by `limits/window.ts`, so that a
 * ledger knows nothing of days, months and time zones: it adds up buckets.
 */
export interface Span {
  /**
   * Names the bucket that takes what is held and used: its first instant, milliseconds since the epoch; 0 where there is
   * no window. Of two buckets of one scope the later has the larger name.
   */
  readonly bucket: number;
  /** The buckets that are added up against the amount, oldest first, `bucket` the last. One but for rolling windows. */
  readonly buckets: readonly number[];
  /** `bucket` is the current one from here, by the ledger's clock. */
  readonly fromMs: number;
  /** Until just before here; `Infinity` where nothing ends. */
  readonly untilMs: number;
  /**
   * From here on nobody needs the bucket any more, late settlements included; `Infinity` where it must be kept. Of several
   * spans with one bucket, whose end was moved, the latest says it.
   */
  readonly forgetMs: number;
}

/** One scope a reservation draws from: a limit applied to one subject. */
export interface LedgerScope {
  /** Identifies limit and subject, without the window. */
  readonly key: string;
  /** The most that may be used and held at once in the span's buckets. */
  readonly amount: number;
  /** What this request holds until it is settled. A safe integer ≥ 0. */
  readonly hold: number;
  /** What is counted when its lease runs out and nobody has told what was used. A safe integer ≥ 0; 0 for slots. */
  readonly charge: number;
  /** Whether a full scope denies (`block`) or is only counted (`count`). */
  readonly mode: 'block' | 'count';
  readonly span: Span;
}

/** A scope as it is read: nothing is held by it. */
export type ReadScope = Pick<LedgerScope, 'key' | 'amount' | 'span'>;

/** How full one scope is: the sum over the span's buckets. */
export interface ScopeState {
  readonly key: string;
  readonly used: number;
  readonly held: number;
  readonly amount: number;
}

/**
 * What `reserve` found. `scopes` are the states in the order asked: after the hold where it was granted, as they are
 * where it was denied. `stale`: the ledger's clock is outside a span; nothing is held or remembered, and the same id may
 * be tried again with the spans of `nowMs`. `withoutLedger`: a failure policy decided, because the ledger did not answer.
 */
export type ReserveResult =
  | { readonly kind: 'granted'; readonly scopes: readonly ScopeState[]; readonly withoutLedger?: boolean }
  | {
      readonly kind: 'denied';
      readonly deniedAt: number;
      readonly scopes: readonly ScopeState[];
      readonly withoutLedger?: boolean;
    }
  | { readonly kind: 'stale'; readonly nowMs: number };

/** A result at once where it is at hand, a promise where a store must be asked: `await` covers both. */
export type Awaitable<Value> = Value | Promise<Value>;

/**
 * Keeps what is used and held of every limit. Each transition is by reservation id and happens at most once; the
 * ledger's own clock decides. `used + held ≤ amount` holds for every `block` scope at every instant, whoever asks from
 * wherever, except for what a settlement finds was used beyond its hold, or beyond its charge when it has expired.
 *
 *     none → denied
 *     none → held → settled
 *            held → expired (charged) → settled (corrected)
 */
export interface Ledger {
  /** The ledger's own clock as far as it is known here, milliseconds since the epoch. Never goes back. */
  nowMs(): number;
  /**
   * Holds `hold` of every scope at once, or of none. A repeated id gets the first answer, with the scopes of then, and
   * holds nothing more, while it is held and for a time after it was settled, expired or denied that is the ledger's
   * option. A hold that is not settled or renewed within `leaseMs` expires: it is released, and its charge is counted as
   * used.
   *
   * @throws TypeError for a hold, charge or lease that cannot be counted with, or two scopes with one key; nothing is changed
   */
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Awaitable<ReserveResult>;
  /**
   * Extends the lease, and replaces the charges where they are given, in the order of the reservation's scopes; one
   * left out stays as it is.
   *
   * @returns whether the reservation is still held; `false` when it is unknown, settled or expired
   * @throws TypeError for a charge that is no safe integer ≥ 0; nothing is changed
   */
  renew(id: string, leaseMs: number, charges?: readonly number[]): Awaitable<boolean>;
  /**
   * Replaces the holds by what was really used, in the order of the reservation's scopes; one left out counts 0. Posts
   * to the buckets of the reservation, even when others have begun, and corrects what its expiry had charged. A second
   * call for the same id changes nothing.
   *
   * @throws TypeError for a use that is no safe integer ≥ 0; nothing is changed
   */
  settle(id: string, used: readonly number[]): Awaitable<void>;
  /** Reads scopes without holding anything. */
  peek(scopes: readonly ReadScope[]): Awaitable<readonly ScopeState[]>;
  /** Gives back what is not used, and ends connections of its own. */
  close?(): Promise<void>;
}
