import { requireNextVersion } from '../key-change.ts';
import { requirePageSize } from '../page.ts';
import type { SecretRecord, SecretStore } from '../secret-store.ts';
import type { PostgresRow } from './client.ts';
import type { PostgresContext } from './context.ts';
import { isText, requireText } from './write.ts';

/** Sealed secrets in PostgreSQL. */
export function createPostgresSecretStore(context: PostgresContext): SecretStore {
  const { schema, feed, readDeadlineMs } = context;
  const secrets = `${schema}.secrets`;
  const sql = {
    find: `SELECT record::text AS record FROM ${secrets} WHERE id = $1`,
    list: `SELECT record::text AS record FROM ${secrets} WHERE id > $1 ORDER BY id LIMIT $2`,
    insert: `WITH put AS (
        INSERT INTO ${secrets} (id, version, record) VALUES ($1, $2::bigint, $3::json)
        ON CONFLICT (id) DO NOTHING RETURNING id
      )
      SELECT ${schema}.note_change('secrets', id, $4::uuid) FROM put`,
    update: `WITH put AS (
        UPDATE ${secrets} SET version = $2::bigint, record = $3::json
        WHERE id = $1 AND version = $2::bigint - 1 RETURNING id
      )
      SELECT ${schema}.note_change('secrets', id, $4::uuid) FROM put`,
    remove: `WITH removed AS (DELETE FROM ${secrets} WHERE id = $1 AND version = $2::bigint RETURNING id)
      SELECT ${schema}.note_change('secrets', id, $3::uuid) FROM removed`,
    stamp: `SELECT stamp::text AS stamp FROM ${schema}.stamps WHERE kind = 'secrets'`,
  };
  return {
    async findSecret(id) {
      if (!isText(id)) return null;
      const [row] = await context.read('findSecret', sql.find, [id], readDeadlineMs);
      return row ? toRecord(row) : null;
    },
    async listSecrets({ after = '', limit }) {
      requireText('listSecrets', { after });
      const values = [after, requirePageSize('listSecrets', limit)];
      return (await context.read('listSecrets', sql.list, values)).map(toRecord);
    },
    async putSecret(record, expectedVersion) {
      requireNextVersion('putSecret', record.version, expectedVersion);
      requireText('putSecret', { id: record.id });
      const text = expectedVersion === 0 ? sql.insert : sql.update;
      const values = [record.id, record.version, JSON.stringify(record)];
      return context.write(context.options('putSecret'), { text, values });
    },
    async removeSecret(id, expectedVersion) {
      if (!isText(id) || !Number.isSafeInteger(expectedVersion)) return false;
      const values = [id, expectedVersion];
      return context.write(context.options('removeSecret'), { text: sql.remove, values });
    },
    async readSecretsStamp() {
      const [row] = await context.read('readSecretsStamp', sql.stamp, [], readDeadlineMs);
      return Number(row?.stamp);
    },
    watchSecrets: (listener) => feed.watch('secrets', listener),
  };
}

function toRecord({ record }: PostgresRow): SecretRecord {
  return JSON.parse(String(record)) as SecretRecord;
}
