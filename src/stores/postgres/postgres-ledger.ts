import type { Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState } from '../../limits/ledger.ts';
import { quietly } from '../../quietly.ts';
import { SettlementQueue } from '../settlement-queue.ts';
import {
  requireLease,
  requireReservation,
  requireSizes,
  toCounts,
  toIndexText,
} from './postgres-ledger-arguments.ts';
import { isRefusal, LedgerBatches } from './postgres-ledger-batches.ts';
import {
  type PostgresLedgerOptions,
  type ResolvedPostgresLedgerOptions,
  resolvePostgresLedgerOptions,
} from './postgres-ledger-options.ts';
import { type ReservationRequest, toReserveResult } from './postgres-ledger-reservations.ts';
import {
  type DecidedReservation,
  type PostgresLedgerParts,
  PostgresLedgerServer,
  type Renewal,
  type Settlement,
} from './postgres-ledger-server.ts';
import { PostgresLedgerUpkeep } from './postgres-ledger-upkeep.ts';

/** State of a ledger on PostgreSQL. */
export interface PostgresLedgerState {
  /** Settlements that are on their way. */
  readonly pendingSettlements: number;
  /** Whether the last try to settle failed, so that `settle` resolves before they are made. */
  readonly areSettlementsLate: boolean;
  /** Settlements that were never made: their holds expire and are charged. */
  readonly givenUpSettlements: number;
  /** Settlements of ids that were unknown, forgotten, or settled before. */
  readonly unknownSettlements: number;
}

/** A ledger on PostgreSQL. */
export interface PostgresLedger extends Ledger {
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult>;
  renew(id: string, leaseMs: number, charges?: readonly number[]): Promise<boolean>;
  /**
   * Resolves when it was made, or when PostgreSQL did not answer: it is then retried automatically, see `settleForMs`.
   * It need not be awaited.
   */
  settle(id: string, used: readonly number[]): Promise<void>;
  peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]>;
  state(): PostgresLedgerState;
  /** Makes the waiting settlements, within `closeDeadlineMs`. The connections belong to the stores. */
  close(): Promise<void>;
}

/**
 * A ledger over functions in the database; `createPostgresStores` creates it.
 *
 * What a caller may assume: a reservation is one round trip and one transaction, shared with others made at the same
 * time; all its counters are locked in one order and checked before anything is written, by the server's clock. It ends
 * within `deadlineMs`. One that has rejected may have been made, and then expires with its lease; one that reaches the
 * server after its deadline is not made. One whose answer is lost is repeated by its id. Settlements are sent together
 * in the background and repeated by id until they succeed.
 *
 * If the server's clock is set back, the ledger's stands still until it has caught up; up to `sweepMs` of what was
 * counted last may then count twice in time. Nothing that PostgreSQL has committed is lost, but with
 * `synchronous_commit` off, or a failover to a standby that lags, the last of it can be.
 *
 * A scope that everybody shares is one row, which batches lock in turn. It can be read as `used` and `held` by `scope`
 * and `bucket` in the table `ledger_counters`. To start over, empty `ledger_counters` and `ledger_reservations`
 * together.
 *
 * @example
 * const { ledger } = createPostgresStores({ connectionString: process.env.DATABASE_URL });
 * const gateway = createGateway(config, { ledger });
 * @throws TypeError for an invalid option
 */
export function createPostgresLedger(
  parts: PostgresLedgerParts,
  options: PostgresLedgerOptions = {},
): PostgresLedger {
  return new BatchedLedger(parts, resolvePostgresLedgerOptions(options));
}

class BatchedLedger implements PostgresLedger {
  readonly #options: ResolvedPostgresLedgerOptions;
  readonly #server: PostgresLedgerServer;
  readonly #upkeep: PostgresLedgerUpkeep;
  readonly #reservations: LedgerBatches<ReservationRequest, DecidedReservation>;
  readonly #renewals: LedgerBatches<Renewal, boolean>;
  readonly #settlements: SettlementQueue<Settlement>;
  #unknownSettlements = 0;

  constructor(parts: PostgresLedgerParts, options: ResolvedPostgresLedgerOptions) {
    const { runtime } = parts;
    const { maxBatch, maxPendingSettlements: maxPending } = options;
    this.#options = options;
    this.#server = new PostgresLedgerServer(parts, options, {
      onDue: () => this.#upkeep.sweep(),
      onBroken: (error) => this.#report(error, 0),
    });
    this.#upkeep = new PostgresLedgerUpkeep(runtime, this.#server, options, (error) =>
      this.#report(error, 0),
    );
    this.#reservations = new LedgerBatches({
      ...{ ...options, runtime, what: 'reserve' },
      send: (requests, deadlineMs) => this.#server.reserve(requests, deadlineMs),
    });
    this.#renewals = new LedgerBatches({
      ...{ ...options, runtime, what: 'renew', maxInFlight: 1 },
      send: (renewals, deadlineMs) => this.#server.renew(renewals, deadlineMs),
    });
    const toError = (why: string) => new Error(`PostgreSQL: settle failed, ${why}.`);
    this.#settlements = new SettlementQueue({
      ...{ runtime, maxBatch, maxPending, giveUpMs: options.settleForMs, isRefusal },
      send: async (batch) => {
        this.#unknownSettlements += batch.length - (await this.#server.settle(batch));
      },
      onProblem: (error, givenUp) => this.#report(error, givenUp),
      toFull: () => toError(`${maxPending} settlements wait already`),
      toClosed: (last) => last ?? toError('the ledger is closed'),
    });
  }

  nowMs(): number {
    return this.#server.clock.nowMs();
  }

  async reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult> {
    requireReservation(scopes, leaseMs);
    this.#upkeep.start();
    const { reply, nowMs } = await this.#reservations.ask({ id: toIndexText(id), scopes, leaseMs });
    return toReserveResult(reply, scopes, nowMs);
  }

  async renew(id: string, leaseMs: number, charges: readonly number[] = []): Promise<boolean> {
    requireLease(leaseMs);
    return this.#renewals.ask({ id: toIndexText(id), leaseMs, charges: toCounts(charges, 'A charge') });
  }

  async settle(id: string, used: readonly number[]): Promise<void> {
    const settlement: Settlement = { id: toIndexText(id), used: toCounts(used, 'What was used') };
    return this.#settlements.add(settlement.id, settlement);
  }

  async peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]> {
    requireSizes(scopes);
    this.#upkeep.start();
    return scopes.length === 0 ? [] : this.#server.peek(scopes);
  }

  state(): PostgresLedgerState {
    return {
      pendingSettlements: this.#settlements.pending,
      areSettlementsLate: this.#settlements.areLate,
      givenUpSettlements: this.#settlements.givenUp,
      unknownSettlements: this.#unknownSettlements,
    };
  }

  async close(): Promise<void> {
    const { closeDeadlineMs } = this.#options;
    await Promise.all([this.#upkeep.close(), this.#settlements.close(closeDeadlineMs)]);
  }

  #report(error: Error, givenUp: number): void {
    quietly(this.#options.onError)(error, givenUp);
  }
}
