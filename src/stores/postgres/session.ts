import type { PostgresClient, PostgresRow } from './client.ts';
import type { Deadline } from './deadline.ts';
import { classifyPostgresError } from './failure.ts';

/** A connection for one piece of work. */
export interface PostgresSession {
  /** Sends one statement, unnamed, so that it works behind a pooler that shares connections by transaction. */
  query(text: string, values?: readonly unknown[]): Promise<readonly PostgresRow[]>;
}

/** A session that remembers what happened on it. */
export interface TrackedSession extends PostgresSession {
  /** Whether this connection threw the error. */
  threw(error: unknown): boolean;
  /** Whether the connection may go back to the pool. */
  readonly isUsable: boolean;
}

/** A session over a client, each of its statements within the deadline. */
export function createSession(client: PostgresClient, deadline: Deadline): TrackedSession {
  const thrown = new Set<unknown>();
  let isUsable = true;
  return {
    async query(text, values = []) {
      try {
        // without values it is the simple protocol, which takes several statements at once
        const answer = values.length > 0 ? client.query(text, [...values]) : client.query(text);
        return (await deadline.guard(answer)).rows as readonly PostgresRow[];
      } catch (error) {
        thrown.add(error);
        const failure = classifyPostgresError(error, true);
        if (failure !== 'statement' && failure !== 'conflict') isUsable = false;
        throw error;
      }
    },
    threw: (error) => thrown.has(error),
    get isUsable() {
      return isUsable;
    },
  };
}

/** Does work between BEGIN and COMMIT. @throws what the work threw, after ROLLBACK */
export async function inTransaction<T>(
  session: TrackedSession,
  ms: number,
  act: () => Promise<T>,
): Promise<T> {
  // what a node that went away leaves behind holds its locks no longer than this
  const timeouts = `SET LOCAL statement_timeout = ${ms}; SET LOCAL idle_in_transaction_session_timeout = ${ms}`;
  await session.query(`BEGIN; ${timeouts}`);
  let value: T;
  try {
    value = await act();
  } catch (error) {
    if (session.isUsable) await session.query('ROLLBACK');
    throw error;
  }
  await session.query('COMMIT');
  return value;
}
