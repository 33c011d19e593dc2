import { parseStored, type RedisDatabase } from './database.ts';

/**
 * How a record is kept in its hash: a line of JSON for the scripts, with its version and its index entries, and a line
 * with the record itself. JSON has no line feed, so the first one separates them.
 */
export function toStoredRecord(record: { readonly version: number }, index: readonly string[]): string {
  return `${JSON.stringify({ version: record.version, index })}\n${JSON.stringify(record)}`;
}

/** The record in a stored value. @throws RedisStoreError if there is none */
export function fromStoredRecord<T>(stored: string, what: string): T {
  return parseStored<T>(stored.slice(stored.indexOf('\n') + 1), what);
}

/** Checks `expectedVersion` for a record. @throws TypeError when the record does not follow it */
export function requireNextVersion(method: string, version: number, expectedVersion: number): void {
  if (Number.isSafeInteger(expectedVersion) && expectedVersion >= 0 && version === expectedVersion + 1)
    return;
  throw new TypeError(
    `${method}: the "version" of the record must be ${expectedVersion + 1}, one more than "expectedVersion".`,
  );
}

/** @throws TypeError when an id could be stored but not listed in order */
export function requireId(method: string, option: string, id: string): void {
  if (typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id)) return;
  throw new TypeError(`${method}: "${option}" must be 1 to 128 visible ASCII characters.`);
}

/** Checks the size of a page. @throws TypeError when it is not 1 to 1,000 */
export function requirePageSize(method: string, limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1_000) return limit;
  throw new TypeError(`${method}: "limit" must be an integer from 1 to 1000.`);
}

/** The ids in an index under a prefix, after `after`, in order. A prefix ends with a colon. */
export async function readIndex(
  database: RedisDatabase,
  index: string,
  prefix: string,
  after: string,
  limit: number,
): Promise<string[]> {
  // the character after the colon, so that the range ends where the prefix does
  const end = `${prefix.slice(0, -1)};`;
  const range = [`(${prefix}${after}`, `(${end}`, 'LIMIT', '0', String(limit)];
  const entries = (await database.readMuch('ZRANGEBYLEX', index, ...range)) as string[];
  return entries.map((entry) => entry.slice(prefix.length));
}
