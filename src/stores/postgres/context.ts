import type { Runtime } from '../../runtime.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { PostgresRow } from './client.ts';
import type { PostgresDatabase, PostgresWorkOptions } from './connection.ts';
import { type ChangeWriter, createChangeWriter } from './write.ts';

/** What the stores of one backend share. */
export interface PostgresContext {
  readonly schema: string;
  readonly runtime: Runtime;
  readonly readDeadlineMs: number;
  readonly maxWaitingLookUps: number;
  /** Reads with the deadline of calls that no request waits for, unless another is given. */
  read(
    what: string,
    text: string,
    values?: readonly unknown[],
    deadlineMs?: number,
  ): Promise<readonly PostgresRow[]>;
  readonly write: ChangeWriter;
  /** How a call that no request waits for is run. */
  options(what: string): PostgresWorkOptions;
  readonly feed: ChangeFeed;
}

/** What a context is made of. */
export interface PostgresContextOptions {
  readonly database: PostgresDatabase;
  readonly feed: ChangeFeed;
  readonly schema: string;
  readonly runtime: Runtime;
  readonly readDeadlineMs: number;
  readonly maxWaitingLookUps: number;
  readonly deadlineMs: number;
  readonly after: (() => Promise<unknown>) | undefined;
}

/** Ties them together. A change made here is looked for at once where notifications do not report it. */
export function createPostgresContext(context: PostgresContextOptions): PostgresContext {
  const { database, feed, schema, runtime, readDeadlineMs, maxWaitingLookUps, deadlineMs, after } = context;
  const write = createChangeWriter(database, schema, runtime);
  const options = (what: string): PostgresWorkOptions => ({ what, deadlineMs, after });
  return {
    schema,
    runtime,
    readDeadlineMs,
    maxWaitingLookUps,
    feed,
    options,
    read: (what, text, values = [], ms = deadlineMs) =>
      database.run({ what, deadlineMs: ms, after }, (session) => session.query(text, values)),
    async write(...change) {
      const isMade = await write(...change);
      if (isMade) feed.poke();
      return isMade;
    },
  };
}
