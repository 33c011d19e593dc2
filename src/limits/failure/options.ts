import { requireInteger } from '../../keys/option.ts';
import type { Runtime } from '../../runtime.ts';
import type { LeasingLedger } from '../leasing/leasing-ledger.ts';
import type { Ledger, LedgerScope } from '../ledger.ts';
import type { FailureMode } from './fallback.ts';

/** What a failure policy is made of, and its bounds. */
export interface FailurePolicyOptions {
  /** Where limits are kept. In an outage its `reserveInMemory` (see `createLeasingLedger`) decides what it can. */
  readonly ledger: Ledger & Partial<Pick<LeasingLedger, 'reserveInMemory'>>;
  readonly runtime: Runtime;
  /** What happens to a scope while the ledger is unavailable. @default every scope is `closed` */
  readonly policyOf?: (scope: LedgerScope) => FailureMode;
  /**
   * How many nodes share the limits, or a function that says: a degraded scope grants 1 / `nodes` of its amount on
   * each, at least 1.
   *
   * @default 1
   */
  readonly nodes?: number | (() => number);
  /** Called when the ledger is given up and when it is back, never for single requests. @default ignored */
  readonly onChange?: (change: FailurePolicyChange) => void;
  /**
   * How long the ledger may take to answer. Over a leasing ledger better twice its own deadline, since what it must ask
   * for may wait for what it asks for others.
   *
   * @default 500
   */
  readonly deadlineMs?: number;
  /** Failures in a row, not counting late answers, after which the ledger is given up. @default 3 */
  readonly maxFailures?: number;
  /** Nothing but failures and late answers for this long has the same effect. @default 1_000 */
  readonly maxFailingMs?: number;
  /** Then one call tries it after this, the next after twice as long, and so on, give or take a fifth. @default 500 */
  readonly probeMs?: number;
  /** The longest time between two such calls. @default 5_000 */
  readonly openMs?: number;
  /** Reservations open at once that were granted without the ledger; above it scopes are `closed`. @default 100_000 */
  readonly maxOpen?: number;
  /** Uses kept to be posted when the ledger is back; oldest dropped first. @default 100_000 */
  readonly maxJournal?: number;
  /** Settlements that the ledger has not taken; oldest dropped first, and their leases charge them. @default 100_000 */
  readonly maxUnsettled?: number;
  /** How often what is kept is retried. @default 1_000 */
  readonly retryMs?: number;
}

/** The ledger was given up, or is back. */
export interface FailurePolicyChange {
  readonly state: 'degraded' | 'healthy';
  /** Why it was given up. */
  readonly cause?: unknown;
  /** How long the previous state lasted. */
  readonly lastedMs: number;
  readonly report: FailurePolicyReport;
}

/** The state of a ledger, and what was decided without it. */
export interface FailurePolicyReport {
  readonly state: 'healthy' | 'degraded';
  /** How long it has been so. */
  readonly sinceMs: number;
  /** Reservations by who decided: the ledger, this node with a part of the amounts, or nobody (granted, refused). */
  readonly decisions: {
    readonly ledger: number;
    readonly degraded: number;
    readonly open: number;
    readonly closed: number;
  };
  /** How many nodes share the limits, as far as known. */
  readonly nodes: number;
  /** Calls that were rejected, late ones among them. */
  readonly failures: number;
  readonly timeouts: number;
  /** Reservations granted without the ledger and not settled yet. */
  readonly openWithoutLedger: number;
  /** Uses and settlements that wait for the ledger. */
  readonly unposted: number;
  readonly unsettled: number;
  /** Uses and settlements given up: too many, or their bucket had ended. */
  readonly lost: number;
}

/** All options, checked. */
export type FailureSettings = Required<FailurePolicyOptions> & { readonly nodes: () => number };

/** @throws TypeError for an option out of its range, naming it */
export function toFailureSettings(options: FailurePolicyOptions): FailureSettings {
  const { ledger, runtime, nodes, policyOf = () => 'closed', onChange = () => undefined } = options;
  const whole = (option: keyof FailurePolicyOptions, fallback: number, min: number, max?: number) =>
    requireInteger(
      option,
      (options[option] as number | undefined) ?? fallback,
      min,
      max,
      'createFailurePolicy',
    );
  return {
    ...{ ledger, runtime, policyOf, onChange },
    nodes: typeof nodes === 'function' ? nodes : always(whole('nodes', 1, 1, 1_000_000)),
    deadlineMs: whole('deadlineMs', 500, 1, 60_000),
    maxFailures: whole('maxFailures', 3, 1, 1_000),
    maxFailingMs: whole('maxFailingMs', 1_000, 1, 600_000),
    probeMs: whole('probeMs', 500, 1, 600_000),
    openMs: whole('openMs', 5_000, 1, 600_000),
    maxOpen: whole('maxOpen', 100_000, 1),
    maxJournal: whole('maxJournal', 100_000, 1),
    maxUnsettled: whole('maxUnsettled', 100_000, 1),
    retryMs: whole('retryMs', 1_000, 10, 60_000),
  };
}

function always(value: number): () => number {
  return () => value;
}
