import type { FailurePolicyOptions } from './failure/failure-policy.ts';
import type { LeasingLedgerOptions } from './leasing/leasing-ledger.ts';

/** The bounds of leasing; `createLeasingLedger` documents each and its default. */
export type LeasingBounds = Omit<LeasingLedgerOptions, 'shared' | 'runtime'>;

/**
 * Deadline and breaker of the ledger; `createFailurePolicy` documents each and its default. What happens to a request
 * is set on each limit, as `onFailure`.
 */
export type FailureBounds = Omit<
  FailurePolicyOptions,
  'ledger' | 'runtime' | 'policyOf' | 'nodes' | 'onChange'
>;

/** How a gateway decides its limits. */
export interface LimitOptions {
  /**
   * Takes slices of the limits ahead of need and decides in memory while they last; never above a limit. Its bounds, or
   * `true` for the defaults. Needs a ledger that several processes share.
   *
   * @default false; `true` in `openGateway` over a store that keeps limits
   */
  readonly leasing?: boolean | LeasingBounds;
  /** `false`: no deadline and no breaker, and every ledger failure refuses. @default {} */
  readonly failure?: false | FailureBounds;
  /**
   * How many processes share the ledger: while it is unavailable, each grants its part of a `degraded` limit.
   *
   * @default counted: each gateway holds a place in the ledger, and the last count stands while it does not answer. One
   *   that has never reached it assumes that it is alone
   */
  readonly nodes?: number;
  /** How many of them are known to exist, counted or not; has no effect with `nodes`. @default 1 */
  readonly leastNodes?: number;
  /** How long a hold outlives a gateway that died. @default 30_000 */
  readonly leaseMs?: number;
  /** How often the lease of a running request is renewed. At most half of `leaseMs`. @default a third of it */
  readonly renewMs?: number;
  /** How many requests may wait for room at once (`throttleMs` of a limit); more are refused. @default 1_000 */
  readonly maxWaiting?: number;
}
