import { requireInteger } from '../../keys/option.ts';
import type { Runtime } from '../../runtime.ts';
import type { Ledger } from '../ledger.ts';

/** What a leasing ledger is made of, and its bounds. */
export interface LeasingLedgerOptions {
  /** The ledger that all nodes share. It stays open when the leasing ledger closes. */
  readonly shared: Ledger;
  readonly runtime: Runtime;
  /** How long a slice is to last, at the rate of the last seconds. @default 1_000 */
  readonly aheadMs?: number;
  /** The largest part of a limit that one node may have unused in slices, above 0 and up to 1. @default 1/16 */
  readonly maxShare?: number;
  /** The largest part of what a limit has left, up to 1: slices shrink as it runs out. @default 1/8 */
  readonly maxShareOfRest?: number;
  /** What was used is posted to the shared ledger at least this often. @default 1_000 */
  readonly postMs?: number;
  /** Slices of a scope without requests for this long are given back. @default 5_000 */
  readonly idleMs?: number;
  /** Slices of a dead node expire after this; they are renewed at a third of it. @default 10_000 */
  readonly leaseMs?: number;
  /** A slice is not used this long before its lease ends, for clock drift and decision time. @default leaseMs / 5 */
  readonly leaseMarginMs?: number;
  /** How long the shared ledger may take to answer one call; a request that needs several waits at most 5 times as long. @default 250 */
  readonly deadlineMs?: number;
  /** A reservation that expired here can be corrected by a late settlement for this long. @default 60_000 */
  readonly correctMs?: number;
  /** Scopes with slices at once. More are refused with an error. @default 100_000 */
  readonly maxScopes?: number;
  /** Requests that wait for the shared ledger at once. More are refused with an error. @default 10_000 */
  readonly maxWaiting?: number;
  /** Settled and denied ids remembered at least; at most twice as many. @default 10_000 */
  readonly maxEnded?: number;
  /** Expired reservations that a late settlement can correct; oldest dropped first. @default 10_000 */
  readonly maxExpired?: number;
  /** Settlements the shared ledger has not taken; oldest dropped first, charged by their leases. @default 10_000 */
  readonly maxUnsettled?: number;
  /** Settlements and renewals under way at once, each. @default 32 */
  readonly maxParallel?: number;
}

/** All of them, checked. */
export type LeasingSettings = Required<LeasingLedgerOptions> & {
  /** How often slices are maintained. */
  readonly tickMs: number;
};

/** @throws TypeError naming the option */
export function toSettings(options: LeasingLedgerOptions): LeasingSettings {
  const whole = (option: keyof LeasingLedgerOptions, fallback: number, min: number, max?: number) =>
    requireInteger(option, (options[option] as number | undefined) ?? fallback, min, max, owner);
  const leaseMs = whole('leaseMs', 10_000, 100, 3_600_000);
  const postMs = whole('postMs', 1_000, 10, 60_000);
  return {
    shared: options.shared,
    runtime: options.runtime,
    aheadMs: whole('aheadMs', 1_000, 10, 60_000),
    maxShare: share('maxShare', options.maxShare ?? 1 / 16),
    maxShareOfRest: share('maxShareOfRest', options.maxShareOfRest ?? 1 / 8),
    postMs,
    idleMs: whole('idleMs', 5_000, 10, 3_600_000),
    leaseMs,
    leaseMarginMs: whole('leaseMarginMs', Math.ceil(leaseMs / 5), 0, Math.floor(leaseMs / 2)),
    deadlineMs: whole('deadlineMs', 250, 1, 60_000),
    correctMs: whole('correctMs', 60_000, 0, 86_400_000),
    maxScopes: whole('maxScopes', 100_000, 1),
    maxWaiting: whole('maxWaiting', 10_000, 1),
    maxEnded: whole('maxEnded', 10_000, 1),
    maxExpired: whole('maxExpired', 10_000, 1),
    maxUnsettled: whole('maxUnsettled', 10_000, 1),
    maxParallel: whole('maxParallel', 32, 1, 1_000),
    tickMs: Math.max(5, Math.floor(Math.min(postMs / 2, leaseMs / 6))),
  };
}

const owner = 'createLeasingLedger';

function share(option: string, value: number): number {
  if (!(value > 0 && value <= 1)) throw new TypeError(`${owner}: "${option}" must be above 0 and at most 1.`);
  return value;
}
