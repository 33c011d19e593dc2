import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';

/** A row by column name. */
export type SqliteRow = Readonly<Record<string, SQLOutputValue>>;

/** An open database with its prepared statements. Everything on it is synchronous. */
export interface SqliteDatabase {
  /**
   * The first row, or `undefined`. Values are always bound, never put into the text; the texts are few and fixed.
   * Parameters are plain `?`: Node 22 does not bind numbered ones by position.
   */
  get(sql: string, ...values: SQLInputValue[]): SqliteRow | undefined;
  all(sql: string, ...values: SQLInputValue[]): readonly SqliteRow[];
  /** Returns the number of changed rows. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** Runs statements without values, not kept. */
  exec(sql: string): void;
  close(): void;
}

/** Prepares each statement once and keeps it. */
export function toSqliteDatabase(native: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = native.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  return {
    get: (sql, ...values) => prepared(sql).get(...values),
    all: (sql, ...values) => prepared(sql).all(...values),
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
    exec: (sql) => native.exec(sql),
    close: () => native.close(),
  };
}

/**
 * A COMMIT returns when the log is on the disk: a revocation survives a power failure. One that fills a megabyte of log
 * copies it into the database, and waits for that.
 */
export const careful = 'PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 250';

/**
 * Runs `action` between `BEGIN IMMEDIATE` and `COMMIT`, or rolls all of it back. `durable` says whether it must survive
 * a power failure: then COMMIT waits for the disk.
 *
 * A COMMIT that fails because of the disk is rolled back here, yet its pages may have reached the log: after a crash at
 * that moment it may turn out to be in force. So read again after a failure, as after any outage.
 */
export function transact<T>(
  database: SqliteDatabase,
  action: (database: SqliteDatabase) => T,
  durable: boolean,
): T {
  // a checkpoint that a COMMIT makes on the way reports its failure to nobody: see `syncLog`
  if (!durable) database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
  try {
    database.run('BEGIN IMMEDIATE');
    try {
      const result = action(database);
      database.run('COMMIT');
      return result;
    } catch (error) {
      rollBack(database);
      throw error;
    }
  } finally {
    if (!durable) database.exec(careful);
  }
}

/**
 * Waits until the disk has all that was written without waiting for it. Returns whether it has: another connection may
 * be at it, and what lies past an open read is neither copied nor waited for.
 *
 * @throws Error when the disk fails
 */
export function syncLog(database: SqliteDatabase): boolean {
  const { busy, log, checkpointed } = database.get('PRAGMA wal_checkpoint') ?? {};
  return busy === 0 && log === checkpointed;
}

function rollBack(database: SqliteDatabase): void {
  try {
    database.run('ROLLBACK');
  } catch {
    // SQLite has rolled back by itself, as it does when the disk is full
  }
}
