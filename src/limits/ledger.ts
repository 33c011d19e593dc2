/** What a limit counts. `usd` amounts are integer nano-USD. */
export type LimitUnit = 'requests' | 'tokens' | 'usd' | 'parallel';

/**
 * Where in time a reservation is counted. `limits/window.ts` makes it from a limit's window and an instant, so that a
 * ledger knows nothing of days, months and time zones: it adds up buckets.
 */
export interface Span {
  /**
   * Names the bucket that counts what is held and used: its first instant, milliseconds since the epoch; 0 where there
   * is no window. Of two buckets of one scope, the later has the larger name.
   */
  readonly bucket: number;
  /** The buckets added up against the amount, oldest first, `bucket` last. Just one, except for rolling windows. */
  readonly buckets: readonly number[];
  /** `bucket` is current from this instant, by the ledger's clock. */
  readonly fromMs: number;
  /** Until just before this one; `Infinity` if it never ends. */
  readonly untilMs: number;
  /**
   * From this instant nobody needs the bucket, late settlements included; `Infinity` where it must be kept. Of several
   * spans with one bucket, whose end was moved, the latest decides.
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
  /** What counts as used when the lease runs out without a settlement. A safe integer ≥ 0; 0 for slots. */
  readonly charge: number;
  /** Whether a full scope denies (`block`) or is only counted (`count`). */
  readonly mode: 'block' | 'count';
  readonly span: Span;
}

/** A scope to read: it holds nothing. */
export type ReadScope = Pick<LedgerScope, 'key' | 'amount' | 'span'>;

/** How full one scope is: the sum over the span's buckets. */
export interface ScopeState {
  readonly key: string;
  readonly used: number;
  readonly held: number;
  readonly amount: number;
}

/**
 * What `reserve` found. `scopes` are the states in the order asked: after the hold if it was granted, as they are if it
 * was denied. `stale`: the ledger's clock is outside a span; nothing is held or remembered, and the same id may be
 * retried with the spans of `nowMs`. `withoutLedger`: a failure policy decided, because the ledger did not answer.
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

/** A plain value if it is at hand, a promise if a store must be asked: `await` handles both. */
export type Awaitable<Value> = Value | Promise<Value>;

/**
 * Keeps what is used and held of every limit. Each transition is by reservation id and happens at most once; the
 * ledger's own clock decides. `used + held ≤ amount` is true of every `block` scope at every instant, whoever asks from
 * wherever, except for what a settlement reports beyond the hold, or beyond the charge once it has expired.
 *
 *     none → denied
 *     none → held → settled
 *            held → expired (charged) → settled (corrected)
 */
export interface Ledger {
  /** The ledger's own clock as far as it is known here, milliseconds since the epoch. Never goes back. */
  nowMs(): number;
  /**
   * Holds `hold` of every scope at once, or of none. A repeated id gets the first answer, with the scopes as they were
   * then, and holds nothing more: while it is held, and for a time of the ledger's choice after it was settled, expired
   * or denied. A hold that is not settled or renewed within `leaseMs` expires: it is released, and its charge counts as
   * used.
   *
   * @throws TypeError for an invalid hold, charge or lease, or two scopes with one key; nothing is changed
   */
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Awaitable<ReserveResult>;
  /**
   * Extends the lease, and replaces the charges that are given, in the order of the reservation's scopes; one left out
   * stays as it is.
   *
   * @returns whether the reservation is still held; `false` when it is unknown, settled or expired
   * @throws TypeError for a charge that is not a safe integer ≥ 0; nothing is changed
   */
  renew(id: string, leaseMs: number, charges?: readonly number[]): Awaitable<boolean>;
  /**
   * Replaces the holds with what was actually used, in the order of the reservation's scopes; one left out counts 0.
   * Posts to the reservation's buckets, even when others have begun, and corrects what its expiry charged. A second
   * call for the same id changes nothing.
   *
   * @throws TypeError for a use that is not a safe integer ≥ 0; nothing is changed
   */
  settle(id: string, used: readonly number[]): Awaitable<void>;
  /** Reads scopes without holding anything. */
  peek(scopes: readonly ReadScope[]): Awaitable<readonly ScopeState[]>;
  /** Gives back what is not used, and closes its own connections. */
  close?(): Promise<void>;
}
