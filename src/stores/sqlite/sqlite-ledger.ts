import type { Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState } from '../../limits/ledger.ts';
import { quietly } from '../../quietly.ts';
import type { Runtime } from '../../runtime.ts';
import type { SqliteConnection } from './connection.ts';
import { requireLease, requireScopes, requireSpans, toCounts } from './sqlite-ledger-arguments.ts';
import { resolveSqliteLedgerOptions, type SqliteLedgerOptions } from './sqlite-ledger-options.ts';
import { LedgerQueue } from './sqlite-ledger-queue.ts';
import { hasWork, tidy } from './sqlite-ledger-tidy.ts';
import { expireDue, readScope, renew, reserve, settle } from './sqlite-ledger-transitions.ts';
import { beginTurn, endTurn, type LedgerTurn } from './sqlite-ledger-turn.ts';

/** How often old entries are looked for during traffic. */
const tidyEveryMs = 50;

/** State of a ledger on SQLite. */
export interface SqliteLedgerState {
  /** Settlements not made yet. */
  readonly pendingSettlements: number;
  /** Whether the last try to settle failed, so that `settle` resolves before they are made. */
  readonly areSettlementsLate: boolean;
  /** Settlements that were never made: their holds expire and are charged. */
  readonly givenUpSettlements: number;
}

/** A ledger in a SQLite database, which several processes of one machine may share. */
export interface SqliteLedger extends Ledger {
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Promise<ReserveResult>;
  renew(id: string, leaseMs: number, charges?: readonly number[]): Promise<boolean>;
  /**
   * Resolves when it was made, or when the database fails: it is then retried automatically, see `settleForMs`, as long
   * as this process lives. It need not be awaited.
   */
  settle(id: string, used: readonly number[]): Promise<void>;
  peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]>;
  state(): SqliteLedgerState;
  /** Makes the waiting settlements, within `closeDeadlineMs`. */
  close(): Promise<void>;
}

/**
 * A ledger over a connection; `createSqliteStores` creates it.
 *
 * What a caller may assume: every transition happens in one transaction against every other writer, or not at all;
 * concurrent calls of one process share one. A call that has rejected was not made, except if the disk failed at that
 * very moment; repeat it by its id, or let its lease end it. What was answered survives the end of the process; a power
 * failure may undo the last turns unless `durable`. While the disk is full, read-only, damaged or failing, `reserve`
 * and `renew` reject with the reason, `peek` works as long as the file can be read, and settlements wait.
 *
 * The clock is the system's, or the latest instant that any process has noted if that is later: a system clock that is
 * set back stands still here until it has caught up, so one that was an hour ahead holds windows and leases for an
 * hour. A file restored from a backup forgets what was counted since.
 *
 * @throws TypeError for an invalid option
 * @example
 * const { ledger } = createSqliteStores({ file: '/var/lib/headgate/headgate.db' });
 * const gateway = createGateway(config, { ledger });
 */
export function createSqliteLedger(
  connection: SqliteConnection,
  runtime: Runtime,
  options: SqliteLedgerOptions = {},
): SqliteLedger {
  const resolved = resolveSqliteLedgerOptions(options);
  const { rememberMs, rememberDeniedMs, maxRemembered, sweepMs, durable } = resolved;
  let knownMs = 0;
  let tidiedAtMs = Number.NEGATIVE_INFINITY;
  let cancelSweep: (() => void) | undefined;
  let isClosed = false;

  const nowMs = (): number => {
    knownMs = Math.max(knownMs, Math.floor(runtime.now()));
    return knownMs;
  };

  const onProblem = quietly(resolved.onError);

  const write = async (action: (turn: LedgerTurn) => void): Promise<void> => {
    const ended = await connection.write(
      (database) => {
        const { monotonicMs } = runtime;
        const turn = beginTurn(database, { knownMs: nowMs(), monotonicMs, rememberMs, rememberDeniedMs });
        expireDue(turn);
        action(turn);
        if (monotonicMs() - tidiedAtMs >= tidyEveryMs) tidy(turn, maxRemembered);
        endTurn(turn);
        return turn;
      },
      { durable },
    );
    if (runtime.monotonicMs() - tidiedAtMs >= tidyEveryMs) tidiedAtMs = runtime.monotonicMs();
    knownMs = Math.max(knownMs, ended.nowMs);
  };

  const queue = new LedgerQueue({ ...resolved, file: connection.file, runtime, write, onProblem });

  const sweep = async (): Promise<void> => {
    let mayBeMore = false;
    try {
      const isNeeded = await connection.read((database) => hasWork(database, nowMs(), maxRemembered));
      tidiedAtMs = Number.NEGATIVE_INFINITY;
      if (isNeeded) await queue.call(expireAll);
      mayBeMore = isNeeded;
    } catch {
      // whoever reserves is told; the next sweep does what this one did not
    }
    cancelSweep = undefined;
    sweepFromNowOn(mayBeMore ? 1 : sweepMs * (0.9 + runtime.random() / 10));
  };

  const sweepFromNowOn = (delayMs = sweepMs): void => {
    if (cancelSweep || isClosed) return;
    cancelSweep = runtime.schedule(delayMs, () => void sweep());
  };

  return {
    nowMs,
    async reserve(id, scopes, leaseMs) {
      requireScopes(scopes);
      requireLease(leaseMs);
      sweepFromNowOn();
      return queue.call((turn) => reserve(turn, id, scopes, leaseMs));
    },
    async renew(id, leaseMs, charges) {
      requireLease(leaseMs);
      const counts = charges && toCounts(charges, 'A charge');
      return queue.call((turn) => renew(turn, id, leaseMs, counts));
    },
    settle(id, used) {
      const counts = toCounts(used, 'What was used');
      return queue.settle(id, (turn) => settle(turn, id, counts));
    },
    async peek(scopes) {
      requireSpans(scopes);
      sweepFromNowOn();
      if (scopes.length === 0) return [];
      return connection.read((database) => {
        // one transaction, so that all scopes are read at one instant
        database.run('BEGIN');
        try {
          return scopes.map((scope) => readScope(database, scope));
        } finally {
          database.run('ROLLBACK');
        }
      });
    },
    state: () => ({
      pendingSettlements: queue.settlements.size,
      areSettlementsLate: queue.isFailing,
      givenUpSettlements: queue.settlements.givenUp,
    }),
    async close() {
      if (isClosed) return;
      isClosed = true;
      cancelSweep?.();
      await queue.close(resolved.closeDeadlineMs);
    },
  };
}

/** As many as the turn has time for. */
function expireAll(turn: LedgerTurn): void {
  while (turn.isMoreDue && turn.hasTime()) expireDue(turn);
}
