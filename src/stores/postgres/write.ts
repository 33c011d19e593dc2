import type { Runtime } from '../../runtime.ts';
import type { PostgresRow } from './client.ts';
import type { PostgresDatabase, PostgresWorkOptions } from './connection.ts';
import { isUniqueViolation } from './failure.ts';

/** One conditional change. */
export interface PostgresChange {
  /**
   * A single statement that makes the change, calls `note_change` with `writeId`, and returns a row, or does nothing
   * and returns none. The id is appended to its values.
   */
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Makes a change exactly once, even when the connection is lost before the answer: every try carries the same id, which
 * `changes` accepts once and remembers. A try that finds the version already changed checks whether an earlier try did
 * it. For the same reason, a try still running on the server when the next is made cannot apply a second time.
 *
 * @throws Error when the outcome cannot be known within the deadline; the change may then be in force, or come into
 * force
 */
export function createChangeWriter(database: PostgresDatabase, schema: string, runtime: Runtime) {
  const isMade = `SELECT 1 FROM ${schema}.changes WHERE write_id = $1`;
  return async (options: PostgresWorkOptions, { text, values }: PostgresChange): Promise<boolean> => {
    const writeId = Buffer.from(runtime.randomBytes(16)).toString('hex');
    return database.run(options, async (session, isRepeated) => {
      let rows: readonly PostgresRow[] = [];
      try {
        rows = await session.query(text, [...values, writeId]);
      } catch (error) {
        if (isUniqueViolation(error, 'changes_write_id')) return true;
        throw error;
      }
      if (rows.length > 0) return true;
      return isRepeated && (await session.query(isMade, [writeId])).length > 0;
    });
  };
}

/** Makes a change. Resolves to whether it was made. */
export type ChangeWriter = ReturnType<typeof createChangeWriter>;

/** Text that PostgreSQL can store and return as it was. @throws TypeError naming the field */
export function requireText(method: string, fields: Readonly<Record<string, unknown>>): void {
  for (const [field, text] of Object.entries(fields)) {
    if (text !== undefined && !isText(text)) {
      throw new TypeError(`${method}: "${field}" must be text without NUL characters and lone surrogates.`);
    }
  }
}

/** Whether it is text that can be stored, and so be found. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
}
