import type { SqliteDatabase } from './database.ts';

/** One transaction of the ledger, in which several calls have their turn. */
export interface LedgerTurn {
  readonly database: SqliteDatabase;
  /** The ledger's clock. */
  readonly nowMs: number;
  readonly rememberMs: number;
  readonly rememberDeniedMs: number;
  /** Whether leases may have run out that were not ended yet. */
  isMoreDue: boolean;
  /** Reservations that have ended and are remembered. */
  ended: number;
  /** Whether there is time left before the event loop must go on. */
  hasTime(): boolean;
}

/** How long a turn may take before it is cut: the rest gets the next one. */
const turnMs = 15;

/** The clocks of a turn, and for how long what ends in it is remembered. */
export interface TurnOptions {
  /** The clock as far as this process knows it. */
  readonly knownMs: number;
  readonly monotonicMs: () => number;
  readonly rememberMs: number;
  readonly rememberDeniedMs: number;
}

/** Begins a turn, inside its transaction. */
export function beginTurn(database: SqliteDatabase, options: TurnOptions): LedgerTurn {
  const { rememberMs, rememberDeniedMs, monotonicMs } = options;
  const row = database.get('SELECT last_ms, ended FROM headgate_ledger_clock WHERE id = 1');
  const endMs = monotonicMs() + turnMs;
  return {
    database,
    // a system clock that is set back does not bring a window back, nor does a process that was told another time
    nowMs: Math.max(options.knownMs, Number(row?.last_ms ?? 0)),
    rememberMs,
    rememberDeniedMs,
    isMoreDue: false,
    ended: Number(row?.ended ?? 0),
    hasTime: () => monotonicMs() < endMs,
  };
}

const saveClock = `INSERT INTO headgate_ledger_clock (id, last_ms, ended) VALUES (1, ?, ?)
  ON CONFLICT (id) DO UPDATE SET last_ms = excluded.last_ms, ended = excluded.ended`;

/** Notes what the next turn must know. */
export function endTurn({ database, nowMs, ended }: LedgerTurn): void {
  database.run(saveClock, nowMs, Math.max(0, ended));
}
