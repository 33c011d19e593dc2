import type { ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';

/** One limit of a request, and how full it was found. */
export interface LimitState {
  readonly limit: Limit;
  /** With what the request itself holds. */
  readonly state: ScopeState;
}

/**
 * How full the limits of a request are, as `rateLimit` found them: `route` can choose targets by them. A limit in
 * `warn` or `shadow` mode may be over its amount; a `block` limit is at most at its amount.
 */
export interface LimitStates {
  /** One for each limit that applies to the request, in the order of the policy. */
  readonly all: readonly LimitState[];
  /**
   * The largest share used and held, in percent of the amount, among all limits or those that `matches` accepts; 0 if
   * there are none. For an amount of 0 it is 0 while nothing is used, and `Infinity` from then on.
   */
  spentPercent(matches?: (limit: Limit) => boolean): number;
}

/** For a request that no limit applies to. */
export const noLimitStates: LimitStates = Object.freeze({ all: Object.freeze([]), spentPercent: () => 0 });

/** @param states one for each limit, at the same index */
export function toLimitStates(limits: readonly Limit[], states: readonly ScopeState[]): LimitStates {
  return new FoundStates(limits, states);
}

// made for every request: what few ask for is built only when asked for
class FoundStates implements LimitStates {
  readonly #limits: readonly Limit[];
  readonly #states: readonly ScopeState[];

  constructor(limits: readonly Limit[], states: readonly ScopeState[]) {
    this.#limits = limits;
    this.#states = states;
  }

  get all(): readonly LimitState[] {
    return this.#limits.map((limit, index) => ({ limit, state: this.#states[index] as ScopeState }));
  }

  spentPercent(matches?: (limit: Limit) => boolean): number {
    let most = 0;
    for (let index = 0; index < this.#limits.length; index++) {
      if (matches && !matches(this.#limits[index] as Limit)) continue;
      const { used, held, amount } = this.#states[index] as ScopeState;
      const spent = used + held;
      if (spent > 0) most = Math.max(most, amount > 0 ? (spent / amount) * 100 : Number.POSITIVE_INFINITY);
    }
    return most;
  }
}
