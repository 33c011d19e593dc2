import { resolveIntegers } from '../integer-options.ts';

/** How a ledger on SQLite behaves. */
export interface SqliteLedgerOptions {
  /** A reservation or renewal that has had no turn by then fails, and is not made later. @default 500 */
  readonly deadlineMs?: number;
  /**
   * Whether what was answered also survives a power failure or a crash of the operating system: then every turn waits
   * for the disk, and the event loop with it. Without it such a failure undoes the last turns, at most 32 of each
   * process, holds and uses alike: that much of a limit can be used again. A failing disk is noticed just as late, and
   * then nothing more is granted. The end of a process, even by SIGKILL, undoes nothing either way. @default false
   */
  readonly durable?: boolean;
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
   * The most ids of both kinds kept, about 400 bytes of disk each; those next to be forgotten go first.
   * @default 200_000
   */
  readonly maxRemembered?: number;
  /** Reservations and renewals that may wait for their turn; more reject at once. @default 10_000 */
  readonly maxWaiting?: number;
  /** Settlements that may wait; the next one is given up at once. @default 10_000 */
  readonly maxPendingSettlements?: number;
  /** A settlement not made for this long is given up: its hold expires and is charged. @default 3_600_000 */
  readonly settleForMs?: number;
  /** How long `close` tries to make the waiting settlements. @default 5_000 */
  readonly closeDeadlineMs?: number;
  /** Told when settlements begin to be late, and when some were given up and how many. @default nobody */
  readonly onError?: (error: Error, givenUpSettlements: number) => void;
}

const integers = {
  deadlineMs: [500, 1, 60_000],
  sweepMs: [1_000, 10, 3_600_000],
  rememberMs: [86_400_000, 1_000, 31_536_000_000],
  rememberDeniedMs: [60_000, 1_000, 31_536_000_000],
  maxRemembered: [200_000, 1, 100_000_000],
  maxWaiting: [10_000, 1, 10_000_000],
  maxPendingSettlements: [10_000, 1, 10_000_000],
  settleForMs: [3_600_000, 1_000, 86_400_000],
  closeDeadlineMs: [5_000, 1, 600_000],
} as const;

type IntegerName = keyof typeof integers;

/** The options with their defaults. */
export type ResolvedSqliteLedgerOptions = Readonly<Record<IntegerName, number>> &
  Pick<SqliteLedgerOptions, 'onError'> & { readonly durable: boolean };

/** @throws TypeError for an invalid option */
export function resolveSqliteLedgerOptions(options: SqliteLedgerOptions): ResolvedSqliteLedgerOptions {
  const resolved = resolveIntegers(integers, options, 'createSqliteStores: "ledger.');
  const { durable = false, onError } = options;
  if (typeof durable !== 'boolean')
    throw new TypeError('createSqliteStores: "ledger.durable" is no boolean.');
  return { ...resolved, durable, ...(onError && { onError }) };
}
