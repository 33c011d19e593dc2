import type { ReadScope, ScopeState } from '../../limits/ledger.ts';
import type { Runtime } from '../../runtime.ts';
import type { PostgresDatabase } from './connection.ts';
import { DeadlineError } from './deadline.ts';
import { toIndexText, toMs } from './postgres-ledger-arguments.ts';
import { isRefusal } from './postgres-ledger-batches.ts';
import { PostgresLedgerClock } from './postgres-ledger-clock.ts';
import type { ResolvedPostgresLedgerOptions } from './postgres-ledger-options.ts';
import {
  type ReservationReply,
  type ReservationRequest,
  toReserveArguments,
} from './postgres-ledger-reservations.ts';

/** What the ledger needs from its stores. */
export interface PostgresLedgerParts {
  readonly database: PostgresDatabase;
  readonly schema: string;
  readonly runtime: Runtime;
  /** What must have happened first: the migration. */
  readonly after: (() => Promise<unknown>) | undefined;
}

/** The answer to a reservation, and the ledger's time when it was decided. */
export interface DecidedReservation {
  readonly reply: ReservationReply;
  readonly nowMs: number;
}

/** What is settled: an id as the index has it, and what was used. */
export interface Settlement {
  readonly id: string;
  readonly used: readonly (number | null)[];
}

/** What is to be renewed. */
export interface Renewal {
  readonly id: string;
  readonly leaseMs: number;
  readonly charges: readonly (number | null)[];
}

/** What a ledger's server notices on the way. */
export interface PostgresLedgerEvents {
  /** Leases have run out that nobody has swept. */
  onDue(): void;
  /** A lease was released whose holds were not in the counters. */
  onBroken(error: Error): void;
}

/** Leases that one statement ends, and rows of each kind that one statement drops. */
export const mostSwept = 500;
// each ends `mostSwept` leases; what is denied after that is denied for good
const maxSweeps = 10;

/** The functions of the database, each its own statement and transaction, and the clock that their replies give. */
export class PostgresLedgerServer {
  readonly clock: PostgresLedgerClock;
  readonly #parts: PostgresLedgerParts;
  readonly #options: ResolvedPostgresLedgerOptions;
  readonly #events: PostgresLedgerEvents;
  #mostSwept = mostSwept;

  constructor(
    parts: PostgresLedgerParts,
    options: ResolvedPostgresLedgerOptions,
    events: PostgresLedgerEvents,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#events = events;
    this.clock = new PostgresLedgerClock(parts.runtime);
  }

  async reserve(
    requests: readonly ReservationRequest[],
    deadlineMs: number,
  ): Promise<readonly DecidedReservation[]> {
    const { runtime } = this.#parts;
    const values = toReserveArguments(requests);
    const endMs = runtime.monotonicMs() + deadlineMs;
    for (let sweeps = 0; ; sweeps++) {
      const leftMs = endMs - runtime.monotonicMs();
      const [nowMs, isDue, replies] = await this.#call('reserve', leftMs, () => [
        this.clock.fenceMs(leftMs),
        sweeps >= maxSweeps,
        this.#options.rememberDeniedMs,
        ...values,
      ]);
      if (isDue === 'late')
        throw new DeadlineError('PostgreSQL: reserve failed, it reached the server too late.');
      if (isDue === 'sweep') {
        await this.expire(endMs - runtime.monotonicMs());
        continue;
      }
      if (isDue) this.#events.onDue();
      return (replies as readonly ReservationReply[]).map((reply) => ({ reply, nowMs: Number(nowMs) }));
    }
  }

  async renew(renewals: readonly Renewal[], deadlineMs: number): Promise<readonly boolean[]> {
    const { ends, flat } = flatten(renewals.map(({ charges }) => charges));
    const leases = renewals.map(({ leaseMs }) => Math.min(toMs(leaseMs), Number.MAX_SAFE_INTEGER / 2 - 0.5));
    const ids = renewals.map(({ id }) => id);
    const [, areHeld] = await this.#call('renew', deadlineMs, () => [ids, leases, ends, flat]);
    return areHeld as readonly boolean[];
  }

  /** @returns how many of them were known and not settled */
  async settle(settlements: readonly Settlement[]): Promise<number> {
    const { settleDeadlineMs, rememberMs } = this.#options;
    const { ends, flat } = flatten(settlements.map(({ used }) => used));
    const ids = settlements.map(({ id }) => id);
    const [, found] = await this.#call('settle', settleDeadlineMs, () => [rememberMs, ids, ends, flat]);
    return Number(found);
  }

  /** Ends leases that have run out. @returns whether there may be more */
  async expire(deadlineMs: number): Promise<boolean> {
    const most = this.#mostSwept;
    try {
      const { rememberExpiredMs } = this.#options;
      const [, count, broken] = await this.#call('expire', deadlineMs, () => [rememberExpiredMs, most]);
      this.#mostSwept = Math.min(mostSwept, most * 2);
      if (broken)
        this.#events.onBroken(new Error('PostgreSQL: a lease has ended whose hold was not counted.'));
      return Number(count) >= most;
    } catch (error) {
      // halves the batch until the lease that cannot be posted is alone
      if (!isRefusal(error) || most === 1) throw error;
      this.#mostSwept = most >> 1;
      return true;
    }
  }

  /** Drops what is old. @returns whether there may be more, and where to continue */
  async prune(
    deadlineMs: number,
    hand: string,
  ): Promise<{ readonly isMore: boolean; readonly hand: string }> {
    const [, isMore, next] = await this.#call('prune', deadlineMs, () => [mostSwept, hand]);
    return { isMore: isMore === true, hand: String(next) };
  }

  async peek(scopes: readonly ReadScope[]): Promise<readonly ScopeState[]> {
    const { schema, database, after, runtime } = this.#parts;
    const keys: string[] = [];
    const buckets: number[] = [];
    const places: number[] = [];
    for (const [place, { key, span }] of scopes.entries()) {
      const text = toIndexText(key);
      for (const bucket of span.buckets) {
        keys.push(text);
        buckets.push(bucket);
        places.push(place);
      }
    }
    const text = `
      SELECT ${schema}.ledger_now()::text AS now_ms, (
        SELECT json_agg(json_build_array(t.place, t.used, t.held)) FROM (
          SELECT n.place, sum(c.used) AS used, sum(c.held) AS held
          FROM unnest($1::text[], $2::bigint[], $3::integer[]) AS n(scope, bucket, place)
          JOIN ${schema}.ledger_counters c ON c.scope = n.scope AND c.bucket = n.bucket
          GROUP BY n.place
        ) AS t
      )::text AS sums`;
    const rows = await database.run(
      { what: 'peek', deadlineMs: this.#options.deadlineMs, after },
      async (session) => {
        const sentAtMs = runtime.monotonicMs();
        const [row] = await session.query(text, [keys, buckets, places]);
        this.clock.learn(sentAtMs, Number(row?.now_ms));
        return row?.sums
          ? (JSON.parse(String(row.sums)) as [place: number, used: number, held: number][])
          : [];
      },
    );
    const states = scopes.map(({ key, amount }) => ({ key, used: 0, held: 0, amount }));
    for (const [place, used, held] of rows) Object.assign(states[place] as ScopeState, { used, held });
    return states;
  }

  /** Calls a function of the ledger, which waits for a lock no longer than its caller. @returns its reply */
  async #call(
    name: string,
    deadlineMs: number,
    toValues: () => readonly unknown[],
  ): Promise<readonly unknown[]> {
    const { database, schema, runtime, after } = this.#parts;
    const what = `ledger ${name}`;
    const ms = Math.max(1, Math.ceil(deadlineMs));
    const endMs = runtime.monotonicMs() + ms;
    return database.run({ what, deadlineMs: ms, after }, async (session) => {
      const sentAtMs = runtime.monotonicMs();
      const values = [Math.max(1, Math.ceil(endMs - sentAtMs)), ...toValues()];
      const places = values.map((_, index) => `$${index + 1}`).join(',');
      const [row] = await session.query(`SELECT ${schema}.ledger_${name}(${places}) AS reply`, values);
      const reply = JSON.parse(String(row?.reply)) as readonly unknown[];
      this.clock.learn(sentAtMs, Number(reply[0]));
      return reply;
    });
  }
}

function flatten<Value>(lists: readonly (readonly Value[])[]): { ends: number[]; flat: Value[] } {
  const flat: Value[] = [];
  const ends = lists.map((list) => {
    flat.push(...list);
    return flat.length;
  });
  return { ends, flat };
}
