import type { Runtime } from '../../runtime.ts';
import {
  generationOf,
  type MigrationStep,
  newerGeneration,
  pendingSteps,
  type SchemaState,
} from '../sql/migration.ts';
import { whileBusy } from './busy.ts';
import { type SqliteDatabase, transact } from './database.ts';
import { refusal } from './failure.ts';

/**
 * Runs the pending steps, each in its own transaction, and resolves to their names. Safe when several processes do it
 * at once: for each step the lock lets one through, and the others find it done.
 *
 * @throws Error when the schema is of a generation that this release does not know
 */
export async function migrate(
  database: SqliteDatabase,
  steps: readonly MigrationStep[],
  { file, runtime, patienceMs }: { file: string; runtime: Runtime; patienceMs: number },
): Promise<readonly string[]> {
  const inTime = <T>(attempt: () => T) => whileBusy(runtime, runtime.monotonicMs() + patienceMs, attempt);
  const done: string[] = [];
  for (const step of await inTime(() => pending(database, steps, file))) {
    const action = (): boolean => {
      if (!pending(database, steps, file).includes(step)) return false;
      for (const statement of step.statements) database.exec(statement);
      record(database, step, runtime.now());
      return true;
    };
    if (await inTime(() => transact(database, action, true))) done.push(step.name);
  }
  return done;
}

/** @throws Error unless all steps were done */
export function requireSchema(database: SqliteDatabase, steps: readonly MigrationStep[], file: string): void {
  const missing = pending(database, steps, file).map((step) => step.name);
  if (missing.length > 0) {
    throw refusal(file, `the schema lacks ${missing.join(', ')}: run "headgate migrate".`);
  }
}

/** @throws Error when the schema is of a generation that these steps do not know */
export function requireGeneration(database: SqliteDatabase, known: number, file: string): void {
  const generation = Number(database.get('PRAGMA user_version')?.user_version);
  if (generation > known) throw refusal(file, newerGeneration(generation, known));
}

function pending(
  database: SqliteDatabase,
  steps: readonly MigrationStep[],
  file: string,
): readonly MigrationStep[] {
  try {
    return pendingSteps(steps, readState(database));
  } catch (error) {
    if (error instanceof Error && !('errcode' in error)) throw refusal(file, error.message, error);
    throw error;
  }
}

function readState(database: SqliteDatabase): SchemaState {
  const generation = Number(database.get('PRAGMA user_version')?.user_version);
  const hasTable = database.get("SELECT 1 FROM sqlite_schema WHERE name = 'headgate_migrations'");
  const rows = hasTable === undefined ? [] : database.all('SELECT name FROM headgate_migrations');
  return { generation, done: new Set(rows.map((row) => String(row.name))) };
}

function record(database: SqliteDatabase, step: MigrationStep, nowMs: number): void {
  database.run(
    'INSERT INTO headgate_migrations (name, generation, done_at_ms) VALUES (?, ?, ?)',
    step.name,
    step.generation,
    nowMs,
  );
  const generation = Math.max(
    generationOf([step]),
    Number(database.get('PRAGMA user_version')?.user_version),
  );
  database.exec(`PRAGMA user_version = ${generation}`);
}
