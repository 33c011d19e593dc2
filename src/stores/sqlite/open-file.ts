import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { whileBusy } from './busy.ts';
import { careful, type SqliteDatabase, toSqliteDatabase, transact } from './database.ts';
import { refusal, toStoreError } from './failure.ts';
import { applicationId, type InspectOptions, inspectFile } from './inspect-file.ts';
import { loadSqlite } from './load-sqlite.ts';

/** Options of `inspectFile`, which comes first, and whether there may be nothing. */
export interface OpenOptions extends InspectOptions {
  /** Whether a database may be created if missing. */
  readonly mayCreate: boolean;
}

/** SQLite's name for a database that lives in this connection alone. */
export const memoryFile = ':memory:';

/**
 * Opens the database, creating it first when missing; the migrations create tables.
 *
 * @throws Error naming the file and the reason when it cannot or must not be opened
 */
export async function openFile(options: OpenOptions): Promise<SqliteDatabase> {
  const { file, mayCreate, runtime, endMs } = options;
  const isNew = file === memoryFile || (await inspectFile(options)) === 'new';
  if (isNew && !mayCreate)
    throw refusal(
      file,
      'there is no database here: put the one that was here back, or make one with "headgate migrate".',
    );
  let native: DatabaseSync | undefined;
  try {
    if (isNew && file !== memoryFile) createPrivately(file);
    native = new (loadSqlite().DatabaseSync)(file);
    const database = toSqliteDatabase(native);
    if (isNew) await whileBusy(runtime, endMs, () => claim(database, file));
    await whileBusy(runtime, endMs, () => configure(database, file));
    return database;
  } catch (error) {
    native?.close();
    throw toStoreError(file, error);
  }
}

/** SQLite would make it readable for everybody the umask allows; the log's files get the mode of this one. */
function createPrivately(file: string): void {
  try {
    // closing it drops nobody's locks: nobody had this file open before it existed
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw refusal(file, 'its directory does not exist.', error);
    if (code !== 'EEXIST') throw refusal(file, `it cannot be made (${code}).`, error);
  }
}

/** In one transaction with the first page, so that no process ever sees a database without an owner. */
function claim(database: SqliteDatabase, file: string): void {
  const action = (): void => {
    const owner = database.get('PRAGMA application_id')?.application_id;
    if (owner === applicationId) return;
    const objects = Number(database.get('SELECT count(*) AS objects FROM sqlite_schema')?.objects);
    if (owner !== 0 || objects > 0) throw refusal(file, 'another application has just made a database here.');
    database.exec(`PRAGMA application_id = ${applicationId}`);
  };
  transact(database, action, true);
}

function configure(database: SqliteDatabase, file: string): void {
  // with WAL, readers go on while somebody writes
  const mode = database.get('PRAGMA journal_mode = WAL')?.journal_mode;
  if (mode !== 'wal' && file !== memoryFile) {
    throw refusal(file, 'its file system has no shared memory, which WAL mode needs: use a local disk.');
  }
  database.exec(careful);
  database.exec('PRAGMA busy_timeout = 0');
  database.exec('PRAGMA foreign_keys = ON');
  database.exec('PRAGMA trusted_schema = OFF');
  database.exec('PRAGMA cell_size_check = ON');
  database.exec('PRAGMA secure_delete = FAST');
  database.exec(`PRAGMA journal_size_limit = ${8 * 1024 * 1024}`);
}
