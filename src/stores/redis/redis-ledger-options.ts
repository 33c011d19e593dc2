import type { Awaitable } from '../../limits/ledger.ts';
import { resolveIntegers } from '../integer-options.ts';
import type { RebuiltBucket } from './redis-ledger-loss.ts';

/** How a ledger on Redis behaves. */
export interface RedisLedgerOptions {
  /** A reservation, a renewal or a `peek` fails after this. @default 250 */
  readonly deadlineMs?: number;
  /** One try of settlements, which many may follow, fails after this. @default 1_000 */
  readonly settleDeadlineMs?: number;
  /** How often what is due is ended when no request does it. @default 1_000 */
  readonly sweepMs?: number;
  /**
   * How long a settled or expired id is remembered; meanwhile a repeated one gets the first answer, and a late
   * settlement corrects what the expiry charged. @default 86_400_000
   */
  readonly rememberMs?: number;
  /** How long a denied id is remembered. @default 60_000 */
  readonly rememberDeniedMs?: number;
  /**
   * The most ids of both kinds kept, about 300 bytes of Redis each; those next to be forgotten go first.
   * @default 200_000
   */
  readonly maxRemembered?: number;
  /** Settlements that may wait for Redis; the next one is given up at once. @default 10_000 */
  readonly maxPendingSettlements?: number;
  /** A settlement not made for this long is given up: its hold expires and is charged. @default 3_600_000 */
  readonly settleForMs?: number;
  /** How long `close` tries to make the waiting settlements. @default 5_000 */
  readonly closeDeadlineMs?: number;
  /**
   * Redis going back by up to this is only reported: what a failover loses, or a server that syncs its file every
   * second. Beyond that, the ledger is lost. @default 5_000
   */
  readonly maxRewindMs?: number;
  /**
   * What a process does that has never seen the ledger and finds nothing in Redis, as with a new installation or a lost
   * one: begin, or treat it as lost until `acknowledgeLoss`. @default 'begin'
   */
  readonly whenEmpty?: 'begin' | 'refuse';
  /**
   * Asked after a loss for what is already used, from records for instance; the ledger then starts over with that by
   * itself. Retried when it throws. @default nobody: nothing is granted until `acknowledgeLoss`
   */
  readonly rebuild?: (nowMs: number) => Awaitable<readonly RebuiltBucket[]>;
  /**
   * Told when settlements begin to be late, when some were given up and how many, when Redis has lost or rewound the
   * ledger, and when a rebuild has failed. @default nobody
   */
  readonly onError?: (error: Error, givenUpSettlements: number) => void;
}

const integers = {
  deadlineMs: [250, 1, 60_000],
  settleDeadlineMs: [1_000, 50, 60_000],
  sweepMs: [1_000, 10, 3_600_000],
  rememberMs: [86_400_000, 1_000, 31_536_000_000],
  rememberDeniedMs: [60_000, 1_000, 31_536_000_000],
  maxRemembered: [200_000, 1, 100_000_000],
  maxPendingSettlements: [10_000, 1, 10_000_000],
  settleForMs: [3_600_000, 1_000, 86_400_000],
  closeDeadlineMs: [5_000, 1, 600_000],
  maxRewindMs: [5_000, 0, 86_400_000],
} as const;

type IntegerName = keyof typeof integers;

/** The options with their defaults. */
export type ResolvedLedgerOptions = Readonly<Record<IntegerName, number>> &
  Pick<RedisLedgerOptions, 'rebuild' | 'onError'> & { readonly whenEmpty: 'begin' | 'refuse' };

/** @throws TypeError for an invalid option */
export function resolveLedgerOptions(options: RedisLedgerOptions): ResolvedLedgerOptions {
  const resolved = resolveIntegers(integers, options, 'createRedisStores: "ledger.');
  const { whenEmpty = 'begin', rebuild, onError } = options;
  if (whenEmpty !== 'begin' && whenEmpty !== 'refuse') {
    throw new TypeError('createRedisStores: "ledger.whenEmpty" must be "begin" or "refuse".');
  }
  return { ...resolved, whenEmpty, ...(rebuild && { rebuild }), ...(onError && { onError }) };
}
