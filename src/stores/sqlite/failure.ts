const reasons: Readonly<Record<number, string>> = {
  3: 'access is denied',
  5: 'the database is locked by another writer',
  6: 'a table is locked by another statement of this process',
  8: 'the database is read-only: the file, its directory or the file system may not be written to',
  10: 'the disk failed to read or write',
  11: 'the database is corrupt; it was left as it is: restore it from a backup, or repair a copy with "sqlite3 file .recover"',
  13: 'the disk is full, or the database has reached its largest size',
  14: 'the file cannot be opened: does its directory exist, and may this process write there?',
  26: 'the file is not a SQLite database',
};

/** The primary result code of SQLite, or `undefined` when something else failed. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || (error as { code?: unknown }).code !== 'ERR_SQLITE_ERROR')
    return undefined;
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/** Whether it failed only because somebody else holds a lock (SQLITE_BUSY, SQLITE_LOCKED). */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === 5 || code === 6;
}

/** What SQLite threw, as an Error that names the file and the reason; anything else as it is. */
export function toStoreError(file: string, error: unknown): unknown {
  const code = resultCode(error);
  if (code === undefined) return error;
  const reason = reasons[code] ?? 'a statement failed';
  return new Error(`SQLite store ${file}: ${reason} (${(error as Error).message}).`, { cause: error });
}

/** A refusal of the file itself. */
export function refusal(file: string, reason: string, cause?: unknown): Error {
  return new Error(`SQLite store ${file}: ${reason}`, cause === undefined ? undefined : { cause });
}
