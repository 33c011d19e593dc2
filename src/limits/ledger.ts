/** What a limit counts. `usd` amounts are integer nano-USD. */
export type LimitUnit = 'requests' | 'tokens' | 'usd' | 'parallel';

/** One scope a reservation draws from: a limit applied to one subject. */
export interface LedgerScope {
  /** Identifies limit and subject, e.g. `team:payments/tokens/1m`. Windows are the ledger's own business. */
  readonly key: string;
  readonly unit: LimitUnit;
  /** The most that may be used and held at once in a window. */
  readonly amount: number;
  /** Length of the fixed window; absent means for ever (and for `parallel`: no window). */
  readonly windowMs?: number | undefined;
  /** What this request holds until it is settled. A safe integer ≥ 0. */
  readonly hold: number;
  /** Whether a full scope denies (`block`) or is only reported (`warn`). */
  readonly mode: 'block' | 'warn';
}

/** How full one scope is. */
export interface ScopeState {
  readonly key: string;
  readonly used: number;
  readonly held: number;
  readonly amount: number;
  /** When the window ends, milliseconds since the epoch by the ledger's clock; absent where there is no window. */
  readonly resetsAtMs?: number | undefined;
}

/** What `reserve` found. */
export type ReserveResult =
  | { readonly granted: true; readonly scopes: readonly ScopeState[] }
  | { readonly granted: false; readonly denied: ScopeState; readonly scopes: readonly ScopeState[] };

/** A result at once where it is at hand, a promise where a store must be asked: `await` covers both. */
export type Awaitable<Value> = Value | Promise<Value>;

/**
 * Keeps what is used and held of every limit. Each transition is by reservation id and happens at most once;
 * the ledger's own clock decides.
 */
export interface Ledger {
  /**
   * Holds `hold` of every scope at once, or of none. A repeated id returns the first answer and holds nothing more.
   * A hold that is not settled or renewed within `leaseMs` is released and counted as used.
   */
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Awaitable<ReserveResult>;
  /** Extends the lease. Unknown or settled ids are ignored. */
  renew(id: string, leaseMs: number): Awaitable<void>;
  /**
   * Replaces the holds by what was really used, in the order of the reservation's scopes; one left out counts 0. Posts
   * to the window of the reservation, even when a new one has begun. A second call for the same id changes nothing.
   */
  settle(id: string, used: readonly number[]): Awaitable<void>;
  /** Reads scopes without holding anything. */
  peek(scopes: readonly Omit<LedgerScope, 'hold'>[]): Awaitable<readonly ScopeState[]>;
}
