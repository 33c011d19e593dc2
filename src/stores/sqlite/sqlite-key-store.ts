import type { Runtime } from '../../runtime.ts';
import type { KeyRecord, KeyUse, WritableKeyStore } from '../key-store.ts';
import { requireNextVersion, requireText } from './arguments.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { SqliteConnection } from './connection.ts';
import type { SqliteDatabase, SqliteRow } from './database.ts';
import { listKeyRows, selectKeys } from './list-keys.ts';
import { parseRecord } from './parse-record.ts';

/** Uses noted in one transaction: a few milliseconds, then other work may run in between. */
const usesAtOnce = 100;

const findKey = `${selectKeys} WHERE headgate_keys.kid = ?`;
const insertKey = `INSERT INTO headgate_keys
  (version, team, project, owner, is_revoked, created_at_ms, record, kid)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (kid) DO NOTHING`;
const updateKey = `UPDATE headgate_keys
  SET version = ?, team = ?, project = ?, owner = ?, is_revoked = ?, created_at_ms = ?, record = ?
  WHERE kid = ? AND version = ?`;
// times of use only move forward, and only those of keys that exist
const mergeUses = `INSERT INTO headgate_key_uses (last_used_at_ms, previous_used_at_ms, kid)
  SELECT ?, ?, kid FROM headgate_keys WHERE kid = ?
  ON CONFLICT (kid) DO UPDATE SET
    last_used_at_ms =
      max(ifnull(last_used_at_ms, excluded.last_used_at_ms), ifnull(excluded.last_used_at_ms, last_used_at_ms)),
    previous_used_at_ms =
      max(
        ifnull(previous_used_at_ms, excluded.previous_used_at_ms),
        ifnull(excluded.previous_used_at_ms, previous_used_at_ms)
      )
  WHERE excluded.last_used_at_ms > ifnull(last_used_at_ms, excluded.last_used_at_ms - 1)
    OR excluded.previous_used_at_ms > ifnull(previous_used_at_ms, excluded.previous_used_at_ms - 1)`;

/** Keys in a table; every write is one transaction, and reported to watchers by the feed. */
export function createSqliteKeyStore(
  connection: SqliteConnection,
  feed: ChangeFeed,
  runtime: Pick<Runtime, 'now'>,
): WritableKeyStore {
  return {
    async findKey(kid) {
      // text that UTF-8 cannot encode is no key's, but would be looked up as other text that may be
      if (typeof kid !== 'string' || !kid.isWellFormed()) return null;
      const row = await connection.read((database) => database.get(findKey, kid));
      return row === undefined ? null : toRecord(connection.file, row);
    },
    async listKeys(query) {
      const rows = await listKeyRows(connection, query);
      return rows.map((row) => toRecord(connection.file, row));
    },
    async putKey(record, expectedVersion) {
      requireNextVersion('putKey', record.version, expectedVersion);
      for (const field of ['kid', 'team', 'project', 'owner'] as const) {
        const isRequired = field === 'kid' || field === 'team';
        if (isRequired || record[field] !== undefined) requireText('putKey', field, record[field]);
      }
      const { kid, lastUsedAtMs = null, previousUsedAtMs = null } = record;
      const values = toValues(record);
      const isStored = await connection.write((database) => {
        const changed =
          expectedVersion === 0
            ? database.run(insertKey, ...values)
            : database.run(updateKey, ...values, expectedVersion);
        if (changed === 0) return false;
        if (lastUsedAtMs !== null || previousUsedAtMs !== null) {
          database.run(mergeUses, lastUsedAtMs, previousUsedAtMs, kid);
        }
        feed.record(database, 'key', kid);
        return true;
      });
      if (isStored) feed.poke();
      return isStored;
    },
    async noteUses(uses) {
      // copied at once, since the caller may change its list; in order, so that neighbours share a page
      const notes = uses.filter(({ kid }) => kid.isWellFormed()).sort((a, b) => (a.kid < b.kid ? -1 : 1));
      for (let start = 0; start < notes.length; start += usesAtOnce) {
        const some = notes.slice(start, start + usesAtOnce);
        await connection.write((database) => noteAll(database, some), { durable: false });
      }
    },
    watchKeys: (listener) => feed.watch('key', listener),
    // the file has no clock: all who share it are on its machine
    readClockMs: async () => runtime.now(),
  };
}

function noteAll(database: SqliteDatabase, uses: readonly KeyUse[]): void {
  for (const { kid, usedAtMs, previous } of uses) {
    database.run(mergeUses, usedAtMs, previous ? usedAtMs : null, kid);
  }
}

function toValues(record: KeyRecord & { readonly version: number }): (string | number | null)[] {
  const { lastUsedAtMs: _lastUsedAtMs, previousUsedAtMs: _previousUsedAtMs, ...rest } = record;
  return [
    record.version,
    record.team,
    record.project ?? null,
    record.owner ?? null,
    record.revokedAtMs === undefined ? 0 : 1,
    record.createdAtMs,
    JSON.stringify(rest),
    record.kid,
  ];
}

function toRecord(file: string, row: SqliteRow): KeyRecord {
  const { kid, record, last_used_at_ms: lastUsedAtMs, previous_used_at_ms: previousUsedAtMs } = row;
  return {
    ...parseRecord<KeyRecord>(file, `key ${kid}`, record),
    ...(typeof lastUsedAtMs === 'number' && { lastUsedAtMs }),
    ...(typeof previousUsedAtMs === 'number' && { previousUsedAtMs }),
  };
}
