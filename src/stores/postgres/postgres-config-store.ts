import type { GatewayConfig } from '../../config/schema.ts';
import type { ConfigStore, ConfigVersion } from '../config-store.ts';
import { requirePageSize } from '../page.ts';
import { toVersionInfo } from '../sql/version-row.ts';
import type { PostgresRow } from './client.ts';
import type { PostgresContext } from './context.ts';
import { requireText } from './write.ts';

/** Versions of the configuration in PostgreSQL. All of them are kept. */
export function createPostgresConfigStore(context: PostgresContext): ConfigStore {
  const { schema, feed, readDeadlineMs } = context;
  const versions = `${schema}.config_versions`;
  const info = 'number::text AS number, author, created_at_ms::text AS created_at_ms, message, digest';
  const sql = {
    latest: `SELECT ${info}, config::text AS config FROM ${versions} ORDER BY config_versions.number DESC LIMIT 1`,
    one: `SELECT ${info}, config::text AS config FROM ${versions} WHERE number = $1::bigint`,
    number: `SELECT coalesce(max(number), 0)::text AS number FROM ${versions}`,
    list: `SELECT ${info} FROM ${versions} WHERE ($1::float8 IS NULL OR number < $1::float8)
      ORDER BY config_versions.number DESC LIMIT $2`,
    append: `WITH put AS (
        INSERT INTO ${versions} (number, author, created_at_ms, message, digest, config)
        SELECT $1::bigint, $2::text, $3::bigint, $4::text, $5::text, $6::json
        WHERE (SELECT coalesce(max(number), 0) FROM ${versions}) = $1::bigint - 1
        ON CONFLICT (number) DO NOTHING RETURNING number
      )
      SELECT ${schema}.note_change('config', number::text, $7::uuid) FROM put`,
  };
  const first = ([row]: readonly PostgresRow[]) => (row ? toVersion(row) : null);
  return {
    readLatest: async () => first(await context.read('readLatest', sql.latest)),
    async readVersion(number) {
      if (!Number.isSafeInteger(number)) return null;
      return first(await context.read('readVersion', sql.one, [number]));
    },
    async readNumber() {
      const [row] = await context.read('readNumber', sql.number, [], readDeadlineMs);
      return Number(row?.number);
    },
    async listVersions({ before, limit } = {}) {
      const values = [before ?? null, requirePageSize('listVersions', limit)];
      return (await context.read('listVersions', sql.list, values)).map(toVersionInfo);
    },
    async appendVersion(version, expectedNumber) {
      if (!Number.isSafeInteger(expectedNumber) || expectedNumber < 0) return null;
      const { author, createdAtMs, message, digest, config } = version;
      requireText('appendVersion', { author, message, digest });
      const number = expectedNumber + 1;
      const text = JSON.stringify(config);
      const values = [number, author, Math.trunc(createdAtMs), message ?? null, digest, text];
      const isStored = await context.write(context.options('appendVersion'), { text: sql.append, values });
      if (!isStored) return null;
      return toVersion({
        number,
        author,
        created_at_ms: createdAtMs,
        message: message ?? null,
        digest,
        config: text,
      });
    },
    watchConfig: (listener) => feed.watch('config', listener),
  };
}

function toVersion(row: PostgresRow): ConfigVersion {
  return { ...toVersionInfo(row), config: JSON.parse(String(row.config)) as GatewayConfig };
}
