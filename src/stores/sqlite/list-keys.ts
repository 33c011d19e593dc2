import type { KeyQuery } from '../key-store.ts';
import { requireLimit } from './arguments.ts';
import type { SqliteConnection } from './connection.ts';
import type { SqliteRow } from './database.ts';

/** Keys scanned in one turn of the event loop while few match a condition: some milliseconds. */
const keysAtOnce = 500;

/** What a key's record is made of. */
export const selectKeys = `SELECT headgate_keys.kid, record, last_used_at_ms, previous_used_at_ms
  FROM headgate_keys LEFT JOIN headgate_key_uses USING (kid)`;

/** In SQLite every blob sorts after every text. */
const behindAllText = new Uint8Array(0);

interface Selection {
  /** One condition that an index answers in the order of the kids, or none. */
  readonly walk: string;
  readonly walkValues: readonly string[];
  /** What is checked in each row of the walk. */
  readonly filter: string;
  readonly filterValues: readonly (string | number)[];
}

/**
 * The rows that a query asks for, as `selectKeys` has them. If a condition may skip many keys, the walk is made in
 * slices with other work in between, so that no query blocks the event loop, however many keys there are.
 *
 * @throws TypeError when `limit` is not from 1 to 1,000
 */
export async function listKeyRows(
  connection: SqliteConnection,
  query: KeyQuery,
): Promise<readonly SqliteRow[]> {
  const limit = requireLimit('listKeys', query.limit ?? 100);
  const { walk, walkValues, filter, filterValues } = toSelection(query);
  const findEnd = `SELECT kid FROM headgate_keys WHERE ${walk} kid > ? ORDER BY kid LIMIT 1 OFFSET ${keysAtOnce - 1}`;
  const select = `${selectKeys} WHERE ${walk} headgate_keys.kid > ? AND headgate_keys.kid <= ? ${filter} ORDER BY headgate_keys.kid LIMIT ?`;
  const found: SqliteRow[] = [];
  for (let after = query.after ?? ''; ; ) {
    const end = await connection.read((database) => {
      const last = filter === '' ? undefined : database.get(findEnd, ...walkValues, after)?.kid?.toString();
      const values = [...walkValues, after, last ?? behindAllText, ...filterValues, limit - found.length];
      found.push(...database.all(select, ...values));
      return last;
    });
    if (end === undefined || found.length >= limit) return found;
    after = end;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function toSelection({ team, project, owner, active, unusedSinceMs }: KeyQuery): Selection {
  const equalities = Object.entries({ owner, project, team }).filter(([, value]) => value !== undefined);
  // the first is likely to match the fewest; the plus keeps SQLite from walking by another one
  const [walked, ...looked] = equalities as [string, string][];
  const filters: (readonly [string, string | number])[] = looked.map(([name, value]) => [
    `+${name} = ?`,
    value,
  ]);
  if (active) filters.push(['is_revoked = ?', 0]);
  if (unusedSinceMs !== undefined)
    filters.push(['ifnull(last_used_at_ms, created_at_ms) < ?', unusedSinceMs]);
  return {
    walk: walked === undefined ? '' : `${walked[0]} = ? AND`,
    walkValues: walked === undefined ? [] : [walked[1]],
    filter: filters.map(([condition]) => `AND ${condition}`).join(' '),
    filterValues: filters.map(([, value]) => value),
  };
}
