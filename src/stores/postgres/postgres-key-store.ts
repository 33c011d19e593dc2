import { requireNextVersion } from '../key-change.ts';
import type { KeyRecord, WritableKeyStore } from '../key-store.ts';
import { requirePageSize } from '../page.ts';
import { createBatcher } from './batcher.ts';
import type { PostgresRow } from './client.ts';
import type { PostgresContext } from './context.ts';
import { isText, requireText } from './write.ts';

/** The most keys one statement looks up, and the most such statements at the same time. */
const lookUps = { maxBatch: 500, maxInFlight: 4 };

/** Keys in PostgreSQL. Concurrent look-ups are sent together. */
export function createPostgresKeyStore(context: PostgresContext): WritableKeyStore {
  const { feed, runtime, readDeadlineMs } = context;
  const sql = keyStatements(context.schema);
  const finder = createBatcher<PostgresRow>({
    ...lookUps,
    maxWaiting: context.maxWaitingLookUps,
    runtime,
    async load(kids, waitedMs) {
      const deadlineMs = Math.max(1, Math.round(readDeadlineMs - waitedMs));
      const rows = await context.read('findKey', sql.find, [kids], deadlineMs);
      return new Map(rows.map((row) => [String(row.kid), row]));
    },
  });
  return {
    async findKey(kid) {
      if (!isText(kid)) return null;
      const row = await finder.ask(kid);
      // each caller gets its own record
      return row === undefined ? null : toRecord(row);
    },
    async putKey(record, expectedVersion) {
      requireNextVersion('putKey', record.version, expectedVersion);
      const { kid, team, project, owner } = record;
      requireText('putKey', { kid, team, project, owner });
      const text = expectedVersion === 0 ? sql.insert : sql.update;
      return context.write(context.options('putKey'), { text, values: toValues(record) });
    },
    async listKeys(query) {
      const { team, project, owner, active = false, unusedSinceMs, after, limit } = query;
      const size = requirePageSize('listKeys', limit);
      const texts = [team, project, owner];
      // what cannot be stored is in no record; what cannot be compared is the caller's error
      if (texts.some((text) => text !== undefined && !isText(text))) return [];
      requireText('listKeys', { after });
      const values = [...texts, active, unusedSinceMs, after, size].map((value) => value ?? null);
      return (await context.read('listKeys', sql.list, values)).map(toRecord);
    },
    async noteUses(uses) {
      const noted = uses.filter(({ kid }) => isText(kid));
      if (noted.length === 0) return;
      const values = [
        noted.map(({ kid }) => kid),
        noted.map(({ usedAtMs }) => Math.trunc(usedAtMs)),
        noted.map(({ previous }) => previous),
      ];
      await context.read('noteUses', sql.use, values);
    },
    async readClockMs() {
      const [row] = await context.read('readClockMs', sql.clock, [], readDeadlineMs);
      return Number(row?.now_ms);
    },
    watchKeys: (listener) => feed.watch('keys', listener),
  };
}

function keyStatements(schema: string) {
  const keys = `${schema}.keys`;
  const uses = `${schema}.key_uses`;
  const columns = `k.kid, k.record::text AS record, u.used_at_ms::text AS used, u.previous_used_at_ms::text AS previous`;
  const from = `FROM ${keys} k LEFT JOIN ${uses} u ON u.kid = k.kid`;
  const forward = `SET used_at_ms = greatest(u.used_at_ms, excluded.used_at_ms),
    previous_used_at_ms = greatest(u.previous_used_at_ms, excluded.previous_used_at_ms)`;
  const andUses = `, used AS (
      INSERT INTO ${uses} AS u SELECT kid, $9::bigint, $10::bigint FROM put
      WHERE $9::bigint IS NOT NULL OR $10::bigint IS NOT NULL
      ON CONFLICT (kid) DO UPDATE ${forward}
    )
    SELECT ${schema}.note_change('keys', kid, $11::uuid) FROM put`;
  return {
    find: `SELECT ${columns} ${from} WHERE k.kid = ANY($1::text[])`,
    clock: `SELECT extract(epoch FROM pg_catalog.clock_timestamp()) * 1000 AS now_ms`,
    list: `SELECT ${columns} ${from}
      WHERE ($1::text IS NULL OR k.team = $1)
        AND ($2::text IS NULL OR k.project = $2)
        AND ($3::text IS NULL OR k.owner = $3)
        AND (NOT $4::boolean OR k.revoked_at_ms IS NULL)
        AND ($5::float8 IS NULL OR coalesce(u.used_at_ms, k.created_at_ms) < $5)
        AND ($6::text IS NULL OR k.kid > $6)
      ORDER BY k.kid LIMIT $7`,
    insert: `WITH put AS (
      INSERT INTO ${keys} (kid, version, team, project, owner, created_at_ms, revoked_at_ms, record)
      VALUES ($1, $2::bigint, $3, $4, $5, $6::bigint, $7::bigint, $8::json)
      ON CONFLICT (kid) DO NOTHING RETURNING kid
    )${andUses}`,
    update: `WITH put AS (
      UPDATE ${keys} SET version = $2::bigint, team = $3, project = $4, owner = $5, created_at_ms = $6::bigint,
        revoked_at_ms = $7::bigint, record = $8::json
      WHERE kid = $1 AND version = $2::bigint - 1 RETURNING kid
    )${andUses}`,
    // in the order of the kids, so that two nodes noting the same keys do not deadlock
    use: `INSERT INTO ${uses} AS u
      SELECT k.kid, max(n.used_at_ms), max(n.used_at_ms) FILTER (WHERE n.previous)
      FROM unnest($1::text[], $2::bigint[], $3::boolean[]) AS n (kid, used_at_ms, previous)
      JOIN ${keys} k ON k.kid = n.kid
      GROUP BY k.kid ORDER BY k.kid
      ON CONFLICT (kid) DO UPDATE ${forward}
      WHERE excluded.used_at_ms > coalesce(u.used_at_ms, -1)
        OR excluded.previous_used_at_ms > coalesce(u.previous_used_at_ms, -1)`,
  };
}

function toValues(record: KeyRecord): unknown[] {
  const { lastUsedAtMs, previousUsedAtMs, ...stored } = record;
  return [
    record.kid,
    record.version,
    record.team,
    record.project,
    record.owner,
    Math.trunc(record.createdAtMs),
    record.revokedAtMs === undefined ? undefined : Math.trunc(record.revokedAtMs),
    JSON.stringify(stored),
    lastUsedAtMs,
    previousUsedAtMs,
  ].map((value) => value ?? null);
}

function toRecord({ record, used, previous }: PostgresRow): KeyRecord {
  return {
    ...(JSON.parse(String(record)) as KeyRecord),
    ...(used !== null && { lastUsedAtMs: Number(used) }),
    ...(previous !== null && { previousUsedAtMs: Number(previous) }),
  };
}
