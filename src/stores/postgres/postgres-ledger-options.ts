import { resolveIntegers } from '../integer-options.ts';

/** How a ledger on PostgreSQL behaves. */
export interface PostgresLedgerOptions {
  /** A reservation, renewal or `peek` rejects after this, waiting and retries included, milliseconds. @default 500 */
  readonly deadlineMs?: number;
  /** The same for one try of settlements, which many may follow, and for the upkeep. @default 2_000 */
  readonly settleDeadlineMs?: number;
  /** How often expired leases that no request finds are ended, and what is old is dropped. @default 1_000 */
  readonly sweepMs?: number;
  /** How long a settled id is remembered; meanwhile a repeated one gets the first answer. @default 600_000 */
  readonly rememberMs?: number;
  /** How long an expired id is remembered; meanwhile a late settlement corrects the charge. @default 86_400_000 */
  readonly rememberExpiredMs?: number;
  /** How long a denied id is remembered. @default 60_000 */
  readonly rememberDeniedMs?: number;
  /** The most reservations, renewals or settlements in one statement. @default 100 */
  readonly maxBatch?: number;
  /** The most statements with reservations in flight; each has a connection. @default 2 */
  readonly maxInFlight?: number;
  /** Reservations, and renewals, that may wait for their turn; more reject at once. @default 10_000 */
  readonly maxWaiting?: number;
  /** Settlements that may wait for PostgreSQL; the next one is given up at once. @default 10_000 */
  readonly maxPendingSettlements?: number;
  /** A settlement not made for this long is given up: its hold expires and is charged. @default 3_600_000 */
  readonly settleForMs?: number;
  /** How long `close` tries to make the waiting settlements. @default 5_000 */
  readonly closeDeadlineMs?: number;
  /**
   * Told when settlements begin to be late, when some were given up and how many, when the upkeep begins to fail, and
   * of leases whose holds are not in the counters, because somebody else changed these. @default nobody
   */
  readonly onError?: (error: Error, givenUpSettlements: number) => void;
}

const integers = {
  deadlineMs: [500, 1, 60_000],
  settleDeadlineMs: [2_000, 50, 60_000],
  sweepMs: [1_000, 10, 3_600_000],
  rememberMs: [600_000, 1_000, 31_536_000_000],
  rememberExpiredMs: [86_400_000, 1_000, 31_536_000_000],
  rememberDeniedMs: [60_000, 1_000, 31_536_000_000],
  maxBatch: [100, 1, 500],
  maxInFlight: [2, 1, 100],
  maxWaiting: [10_000, 1, 10_000_000],
  maxPendingSettlements: [10_000, 1, 10_000_000],
  settleForMs: [3_600_000, 1_000, 86_400_000],
  closeDeadlineMs: [5_000, 1, 600_000],
} as const;

type IntegerName = keyof typeof integers;

/** The options with their defaults. */
export type ResolvedPostgresLedgerOptions = Readonly<Record<IntegerName, number>> &
  Pick<PostgresLedgerOptions, 'onError'>;

/** @throws TypeError for an invalid option */
export function resolvePostgresLedgerOptions(options: PostgresLedgerOptions): ResolvedPostgresLedgerOptions {
  const resolved = resolveIntegers(integers, options, 'createPostgresStores: "ledger.');
  return { ...resolved, ...(options.onError && { onError: options.onError }) };
}
