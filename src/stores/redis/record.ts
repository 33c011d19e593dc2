import { parseStored, type RedisDatabase } from './database.ts';

/**
 * How a record is kept in its hash: a line of JSON for the scripts, with its version and its index entries, and a line
 * with the record itself. JSON holds no line feed, so the first one is between them.
 */
export function toStoredRecord(record: { readonly version: number }, index: readonly string[]): string {
  return `${JSON.stringify({ version: record.version, index })}\n${JSON.stringify(record)}`;
}

/** The record in what was stored. @throws RedisStoreError when it is none */
export function fromStoredRecord<T>(stored: string, what: string): T {
  return parseStored<T>(stored.slice(stored.indexOf('\n') + 1), what);
}

/** What `expectedVersion` must be for a record. @throws TypeError when the record does not follow it */
export function requireNextVersion(method: string, version: number, expectedVersion: number): void {
  if (Number.isSafeInteger(expectedVersion) && expectedVersion >= 0 && version === expectedVersion + 1)
    return;
  throw new TypeError(
    `${method}: the "version" of the record must be ${expectedVersion + 1}, one more than "expectedVersion".`,
  );
}

/** @throws TypeError when an id could be stored but not be listed in its order */
export function requireId(method: string, option: string, id: string): void {
  if (typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id)) return;
  throw new TypeError(`${method}: "${option}" must be 1 to 128 visible ASCII characters.`);
}

/** How many an id's page has. @throws TypeError when it is not 1 to 1,000 */
export function requirePageSize(method: string, limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1_000) return limit;
  throw new TypeError(`${method}: "limit" must be an integer from 1 to 1000.`);
}

/** The ids that an index has under a prefix behind `after`, in order. A prefix ends with a colon. */
export async function readIndex(
  database: RedisDatabase,
  index: string,
  prefix: string,
  after: string,
  limit: number,
): Promise<string[]> {
  // the character behind the colon, so that the range ends where the prefix does
  const end = `${prefix.slice(0, -1)};`;
  const range = [`(${prefix}${after}`, `(${end}`, 'LIMIT', '0', String(limit)];
  const entries = (await database.readMuch('ZRANGEBYLEX', index, ...range)) as string[];
  return entries.map((entry) => entry.slice(prefix.length));
}
