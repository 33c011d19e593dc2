import type { ConfigStore, ConfigVersion } from '../config-store.ts';
import { toVersionInfo } from '../sql/version-row.ts';
import { requireLimit } from './arguments.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { SqliteConnection } from './connection.ts';
import type { SqliteDatabase, SqliteRow } from './database.ts';
import { parseRecord } from './parse-record.ts';

const infoColumns = 'number, author, created_at_ms, message, digest';

/** The newest `maxVersions` versions of a configuration in a table. */
export function createSqliteConfigStore(
  connection: SqliteConnection,
  feed: ChangeFeed,
  maxVersions: number,
): ConfigStore {
  return {
    async readLatest() {
      const sql = `SELECT ${infoColumns}, config FROM headgate_config ORDER BY number DESC LIMIT 1`;
      const row = await connection.read((database) => database.get(sql));
      return row === undefined ? null : toVersion(connection.file, row);
    },
    async readVersion(number) {
      const sql = `SELECT ${infoColumns}, config FROM headgate_config WHERE number = ?`;
      const row = await connection.read((database) => database.get(sql, number));
      return row === undefined ? null : toVersion(connection.file, row);
    },
    readNumber: () => connection.read(readNumber),
    async listVersions({ before = Number.MAX_SAFE_INTEGER, limit = 100 } = {}) {
      const sql = `SELECT ${infoColumns} FROM headgate_config WHERE number < ? ORDER BY number DESC LIMIT ?`;
      requireLimit('listVersions', limit);
      const rows = await connection.read((database) => database.all(sql, before, limit));
      return rows.map(toVersionInfo);
    },
    async appendVersion(version, expectedNumber) {
      const number = expectedNumber + 1;
      const { author, createdAtMs, message, digest } = version;
      const config = JSON.stringify(version.config);
      const isStored = await connection.write((database) => {
        if (readNumber(database) !== expectedNumber) return false;
        const values = [number, author, createdAtMs, message ?? null, digest, config];
        database.run(
          `INSERT INTO headgate_config (${infoColumns}, config) VALUES (?, ?, ?, ?, ?, ?)`,
          ...values,
        );
        database.run('DELETE FROM headgate_config WHERE number <= ?', number - maxVersions);
        feed.record(database, 'config', String(number));
        return true;
      });
      if (!isStored) return null;
      feed.poke();
      return {
        number,
        author,
        createdAtMs,
        ...(message !== undefined && { message }),
        digest,
        config: JSON.parse(config),
      };
    },
    watchConfig: (listener) => feed.watch('config', listener),
  };
}

function readNumber(database: SqliteDatabase): number {
  return Number(database.get('SELECT max(number) AS number FROM headgate_config')?.number ?? 0);
}

function toVersion(file: string, row: SqliteRow): ConfigVersion {
  return {
    ...toVersionInfo(row),
    config: parseRecord(file, `version ${row.number} of the configuration`, row.config),
  };
}
