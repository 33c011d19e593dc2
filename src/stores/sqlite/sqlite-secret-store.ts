import type { SecretRecord, SecretStore } from '../secret-store.ts';
import { requireLimit, requireNextVersion, requireText } from './arguments.ts';
import { type ChangeFeed, readStamp } from './change-feed.ts';
import type { SqliteConnection } from './connection.ts';
import type { SqliteRow } from './database.ts';
import { parseRecord } from './parse-record.ts';

const insertSecret = `INSERT INTO headgate_secrets (version, provider, scope, subject, record, id)
  VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO NOTHING`;
const updateSecret = `UPDATE headgate_secrets SET version = ?, provider = ?, scope = ?, subject = ?, record = ?
  WHERE id = ? AND version = ?`;

/** Sealed secrets in a table, with a stamp that changes with every write. */
export function createSqliteSecretStore(connection: SqliteConnection, feed: ChangeFeed): SecretStore {
  return {
    async findSecret(id) {
      if (typeof id !== 'string' || !id.isWellFormed()) return null;
      const row = await connection.read((database) =>
        database.get('SELECT id, record FROM headgate_secrets WHERE id = ?', id),
      );
      return row === undefined ? null : toRecord(connection.file, row);
    },
    async listSecrets({ after, limit }) {
      requireLimit('listSecrets', limit);
      const rows = await connection.read((database) =>
        // no id is empty, so all sort after the empty text
        database.all(
          'SELECT id, record FROM headgate_secrets WHERE id > ? ORDER BY id LIMIT ?',
          after ?? '',
          limit,
        ),
      );
      return rows.map((row) => toRecord(connection.file, row));
    },
    async putSecret(record, expectedVersion) {
      requireNextVersion('putSecret', record.version, expectedVersion);
      requireText('putSecret', 'id', record.id);
      const { id, version, provider, scope, subject = null } = record;
      const values = [version, provider, scope, subject, JSON.stringify(record), id];
      const isStored = await connection.write((database) => {
        const changed =
          expectedVersion === 0
            ? database.run(insertSecret, ...values)
            : database.run(updateSecret, ...values, expectedVersion);
        if (changed === 0) return false;
        feed.record(database, 'secret', id);
        return true;
      });
      if (isStored) feed.poke();
      return isStored;
    },
    async removeSecret(id, expectedVersion) {
      const isRemoved = await connection.write((database) => {
        const sql = 'DELETE FROM headgate_secrets WHERE id = ? AND version = ?';
        if (database.run(sql, id, expectedVersion) === 0) return false;
        feed.record(database, 'secret', id);
        return true;
      });
      if (isRemoved) feed.poke();
      return isRemoved;
    },
    readSecretsStamp: () => connection.read((database) => readStamp(database, 'secret')),
    watchSecrets: (listener) => feed.watch('secret', listener),
  };
}

function toRecord(file: string, row: SqliteRow): SecretRecord {
  return parseRecord(file, `secret ${row.id}`, row.record);
}
