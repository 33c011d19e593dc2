import type { Runtime } from '../../runtime.ts';
import { type OwnPostgresPool, openPostgresPool, type PostgresClient, type PostgresPool } from './client.ts';
import { createDeadline, type Deadline, DeadlineError } from './deadline.ts';
import { classifyPostgresError, type PostgresFailure, toStoreError, UnavailableError } from './failure.ts';
import { createSession, inTransaction, type PostgresSession, type TrackedSession } from './session.ts';

/** How a piece of work is run. */
export interface PostgresWorkOptions {
  /** What it is called in errors. */
  readonly what: string;
  /** From the call to its end, including retries and the wait for a connection, milliseconds. */
  readonly deadlineMs: number;
  /** What must have happened first; waited for within the deadline. */
  readonly after?: (() => Promise<unknown>) | undefined;
}

/**
 * Work to be done over a connection. It is retried from the start, at most three times, when another transaction was in
 * the way or the connection was lost; `isRepeated` says that an earlier try may have been applied, or may even still be
 * running. So it MUST be harmless to repeat: read only, or recognise by an id what it has done.
 */
export type PostgresWork<T> = (session: PostgresSession, isRepeated: boolean) => Promise<T>;

/** A connection that is kept, for LISTEN. */
export interface HeldConnection {
  readonly client: PostgresClient;
  /** Closes it; it never goes back to the pool, because it has state. */
  close(): void;
}

/** A PostgreSQL database behind a pool: deadlines, retries and nothing else. */
export interface PostgresDatabase {
  /** Does work outside of a transaction: each statement is its own. @throws Error with the driver's as cause */
  run<T>(options: PostgresWorkOptions, work: PostgresWork<T>): Promise<T>;
  /**
   * Does work in one transaction, READ COMMITTED unless the work sets another level first. When the answer to COMMIT is
   * lost, the work is done again as `PostgresWork` says.
   *
   * @throws Error with the driver's as cause
   */
  transaction<T>(options: PostgresWorkOptions, work: PostgresWork<T>): Promise<T>;
  /** Takes a connection to keep. `undefined` when the pool has none to spare. */
  hold(deadlineMs: number): Promise<HeldConnection | undefined>;
  /** Closes the pool if it was opened here. Waits at most `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

/** Where the connections of a `PostgresDatabase` come from, and how many calls may wait for one. */
export interface PostgresDatabaseOptions {
  readonly pool?: PostgresPool | undefined;
  readonly connectionString?: string | undefined;
  readonly maxConnections: number;
  readonly connectDeadlineMs: number;
  readonly maxWaiting: number;
  readonly runtime: Runtime;
}

const maxRepeats = 3;

type End<T> = { readonly value: T } | { readonly failure: PostgresFailure | 'work'; readonly error: unknown };

/**
 * Opens nothing yet: the first call does.
 *
 * @example
 * const database = createPostgresDatabase({ pool, maxConnections: 10, connectDeadlineMs: 2_000, maxWaiting: 1_000, runtime });
 * const rows = await database.run({ what: 'ping', deadlineMs: 500 }, (session) => session.query('SELECT 1 AS one'));
 */
export function createPostgresDatabase(options: PostgresDatabaseOptions): PostgresDatabase {
  const { runtime, maxWaiting } = options;
  let opening: Promise<PostgresPool> | undefined;
  let opened: PostgresPool | undefined;
  let waiting = 0;
  let isClosed = false;

  const open = (): Promise<PostgresPool> => {
    opening ??= openPool(options).then(
      (pool) => {
        pool.on('error', ignore);
        (pool as unknown as ConnectingPool).on('connect', ignoreErrors);
        opened = pool;
        return pool;
      },
      (error) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };
  const acquire = async (deadline: Deadline): Promise<PostgresClient> => {
    if (isClosed) throw new UnavailableError('They are closed.');
    if (waiting >= maxWaiting) throw new UnavailableError(`${waiting} calls wait for one already.`);
    waiting++;
    const connecting = open().then((pool) => pool.connect());
    const settled = () => {
      waiting--;
    };
    connecting.then(settled, settled);
    try {
      const client = await deadline.guard(connecting);
      // a connection that fails while nobody waits for it must not end the process
      client.on('error', ignore);
      return client;
    } catch (error) {
      // a connection that comes too late is unused
      connecting.then((client) => client.release(), ignore);
      throw error;
    }
  };
  const attempt = async <T>(
    deadline: Deadline,
    work: PostgresWork<T>,
    isRepeated: boolean,
  ): Promise<End<T>> => {
    let client: PostgresClient;
    try {
      client = await acquire(deadline);
    } catch (error) {
      return { failure: classifyPostgresError(error, false), error };
    }
    const session = createSession(client, deadline);
    try {
      const value = await work(session, isRepeated);
      release(client);
      return { value };
    } catch (error) {
      // what the work itself threw is not the connection's fault
      const failure = session.threw(error) ? classifyPostgresError(error, true) : 'work';
      release(client, session.isUsable ? undefined : error);
      return { failure, error };
    }
  };
  const run = async <T>(work: PostgresWorkOptions, act: PostgresWork<T>): Promise<T> => {
    const { what, deadlineMs, after } = work;
    const deadline = createDeadline(runtime, deadlineMs);
    try {
      if (after) await deadline.guard(after());
      let isRepeated = false;
      for (let repeats = 0; ; repeats++) {
        const end: End<T> = await attempt(deadline, act, isRepeated);
        if ('value' in end) return end.value;
        const failure: PostgresFailure | 'work' = end.failure;
        const error: unknown = end.error;
        if (failure === 'work') throw error;
        if (repeats === maxRepeats || !(failure === 'conflict' || failure === 'lost')) {
          throw toStoreError(what, failure, error);
        }
        isRepeated ||= failure === 'lost';
        await deadline.sleep(runtime.random() * 20 * 2 ** repeats);
      }
    } catch (error) {
      throw error instanceof DeadlineError ? toStoreError(what, 'deadline', error) : error;
    } finally {
      deadline.cancel();
    }
  };
  return {
    run,
    transaction: (work, act) =>
      run(work, (session, isRepeated) =>
        inTransaction(session as TrackedSession, Math.ceil(work.deadlineMs), () => act(session, isRepeated)),
      ),
    async hold(deadlineMs) {
      const deadline = createDeadline(runtime, deadlineMs);
      try {
        const pool = await deadline.guard(open());
        // the last connection of a pool is kept for calls
        if (pool.options?.max !== undefined && pool.options.max < 2) return undefined;
        const client = await acquire(deadline);
        let isReleased = false;
        const close = () => {
          if (!isReleased) release(client, true);
          isReleased = true;
        };
        return { client, close };
      } finally {
        deadline.cancel();
      }
    },
    async close(deadlineMs) {
      isClosed = true;
      if (options.pool) {
        opened?.removeListener('error', ignore);
        (opened as ConnectingPool | undefined)?.removeListener('connect', ignoreErrors);
        return;
      }
      const deadline = createDeadline(runtime, deadlineMs);
      const ending = opening?.then((pool) => (pool as OwnPostgresPool).end());
      await deadline.guard(Promise.resolve(ending)).catch(ignore);
      deadline.cancel();
    },
  };
}

async function openPool(options: PostgresDatabaseOptions): Promise<PostgresPool> {
  const { pool, connectionString = '', maxConnections, connectDeadlineMs } = options;
  if (pool) return pool;
  return openPostgresPool({
    connectionString,
    max: maxConnections,
    connectionTimeoutMillis: connectDeadlineMs,
  });
}

function release(client: PostgresClient, error?: unknown): void {
  if (error === undefined) {
    client.removeListener('error', ignore);
    client.release();
  } else {
    // the listener stays: an abandoned socket may still fail
    client.release(error instanceof Error ? error : true);
  }
}

/** Pools of `pg` report every connection they make. */
type ConnectingPool = {
  on(event: 'connect', listener: (client: PostgresClient) => void): unknown;
  removeListener(event: 'connect', listener: (client: PostgresClient) => void): unknown;
};

/** In the turn in which it was made: a server may end it before the caller that asked for it can listen. */
function ignoreErrors(client: PostgresClient): void {
  client.on('error', ignore);
}

function ignore(): void {}
