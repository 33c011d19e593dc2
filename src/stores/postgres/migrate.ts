import { type MigrationStep, pendingSteps } from '../sql/migration.ts';
import type { PostgresDatabase } from './connection.ts';
import type { PostgresSession } from './session.ts';

/** What a migration works on. */
export interface PostgresMigration {
  readonly database: PostgresDatabase;
  /** Checked by `createPostgresStores` to need no quoting. */
  readonly schema: string;
  readonly steps: readonly MigrationStep[];
  readonly deadlineMs: number;
}

/** Keeps our advisory locks apart from those of others: "Head" in ASCII. */
const lockSpace = 1_214_603_620;

/** A statement that waits longer for a busy table gives up, so that it does not block those queued behind it. */
const lockTimeoutMs = 5_000;

/**
 * Runs the pending steps in one transaction under an advisory lock: of several nodes that start at once one runs them
 * and the others wait. With none pending it only reads, so a role that may not change the schema can serve. Resolves to
 * the names of the steps it ran.
 *
 * @throws Error when the schema was made by a release that this one cannot run beside
 */
export async function migratePostgres(migration: PostgresMigration): Promise<readonly string[]> {
  const { database, schema, deadlineMs } = migration;
  const options = { what: 'migrate', deadlineMs };
  const pending = await database.run(options, (session) => readPending(session, migration));
  if (pending.length === 0) return [];
  return database.transaction(options, async (session) => {
    await session.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [lockSpace, schema]);
    await session.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    // IF NOT EXISTS alone needs the privilege to create even when there is nothing to create
    const [place] = await session.query('SELECT to_regnamespace($1) IS NOT NULL AS exists', [schema]);
    if (!place?.exists) await session.query(`CREATE SCHEMA ${schema}`);
    if (!(await hasTable(session, schema))) {
      await session.query(`
        CREATE TABLE ${tableOf(schema)} (
          name text PRIMARY KEY,
          generation integer NOT NULL,
          done_at timestamptz NOT NULL DEFAULT now()
        )`);
    }
    // another node may have done them while this one waited for the lock
    const todo = await readPending(session, migration);
    for (const { name, generation, statements } of todo) {
      for (const statement of statements) await session.query(statement);
      const insert = `INSERT INTO ${tableOf(schema)} (name, generation) VALUES ($1, $2)`;
      await session.query(insert, [name, generation]);
    }
    return todo.map(({ name }) => name);
  });
}

async function readPending(
  session: PostgresSession,
  { schema, steps }: PostgresMigration,
): Promise<readonly MigrationStep[]> {
  if (!(await hasTable(session, schema))) return steps;
  const rows = await session.query(`SELECT name, generation FROM ${tableOf(schema)}`);
  const state = {
    done: new Set(rows.map(({ name }) => String(name))),
    generation: rows.reduce((highest, { generation }) => Math.max(highest, Number(generation)), 0),
  };
  try {
    return pendingSteps(steps, state);
  } catch (cause) {
    throw new Error(`PostgreSQL schema "${schema}": ${(cause as Error).message}`, { cause });
  }
}

async function hasTable(session: PostgresSession, schema: string): Promise<boolean> {
  const [table] = await session.query('SELECT to_regclass($1) IS NOT NULL AS exists', [tableOf(schema)]);
  return table?.exists === true;
}

function tableOf(schema: string): string {
  return `${schema}.migrations`;
}
