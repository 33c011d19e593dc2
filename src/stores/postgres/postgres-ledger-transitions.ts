import { functionSettings, mostCounted } from './postgres-ledger-tables.ts';

/**
 * What follows a reservation. Reservations are locked first, by id, then counters, by scope and bucket; nobody with a
 * counter locked waits for a reservation that another has locked. `ledger_post` adds to counters; one without an end
 * that was dropped because it was empty is created again.
 */
export function ledgerTransitionFunctions(schema: string): readonly string[] {
  return [postFunction(schema), settleFunction(schema), renewFunction(schema), expireFunction(schema)];
}

function postFunction(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.ledger_post(scopes text[], buckets bigint[], useds bigint[], helds bigint[])
    RETURNS void LANGUAGE plpgsql ${functionSettings} AS $$
    BEGIN
      PERFORM 1 FROM (
        SELECT 1 FROM unnest(scopes, buckets) AS d(scope, bucket)
        JOIN ${schema}.ledger_counters c ON c.scope = d.scope AND c.bucket = d.bucket
        ORDER BY c.scope, c.bucket FOR UPDATE OF c
      ) AS locked;
      UPDATE ${schema}.ledger_counters c
        SET used = GREATEST(LEAST(c.used, ${mostCounted} - d.used) + d.used, 0), held = c.held + d.held
        FROM unnest(scopes, buckets, useds, helds) AS d(scope, bucket, used, held)
        WHERE c.scope = d.scope AND c.bucket = d.bucket;
      INSERT INTO ${schema}.ledger_counters AS c (scope, bucket, used)
        SELECT d.scope, d.bucket, d.used FROM unnest(scopes, buckets, useds) AS d(scope, bucket, used)
        WHERE d.bucket = 0 AND d.used > 0 AND NOT EXISTS (
          SELECT 1 FROM ${schema}.ledger_counters k WHERE k.scope = d.scope AND k.bucket = d.bucket)
        ORDER BY d.scope COLLATE "C"
        ON CONFLICT (scope, bucket) DO UPDATE
        SET used = LEAST(c.used, ${mostCounted} - excluded.used) + excluded.used;
    END $$;`;
}

function settleFunction(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.ledger_settle(
      lock_ms integer, remember_ms bigint, ids text[], ends integer[], useds bigint[]
    ) RETURNS text LANGUAGE plpgsql ${functionSettings} AS $$
    DECLARE
      found_ids text[];
      d record;
    BEGIN
      PERFORM set_config('lock_timeout', lock_ms::text, true);
      SELECT array_agg(t.id) INTO found_ids FROM (
        SELECT r.id FROM ${schema}.ledger_reservations r
        WHERE r.id = ANY (ids) AND r.state IN ('held', 'expired') ORDER BY r.id FOR UPDATE
      ) AS t;
      IF found_ids IS NOT NULL THEN
        SELECT array_agg(t.scope) AS scopes, array_agg(t.bucket) AS buckets,
            array_agg(t.used) AS useds, array_agg(t.held) AS helds INTO d
          FROM (
            SELECT e.scope, e.bucket,
              sum(COALESCE(CASE WHEN i.before + e.at <= ends[i.at] THEN useds[i.before + e.at] END, 0)
                - CASE r.state WHEN 'expired' THEN e.charge ELSE 0 END)::bigint AS used,
              sum(CASE r.state WHEN 'held' THEN -e.hold ELSE 0 END)::bigint AS held
            FROM (
              SELECT n.id, n.at, COALESCE(ends[n.at - 1], 0) AS before
              FROM unnest(ids) WITH ORDINALITY AS n(id, at) WHERE n.id = ANY (found_ids)
            ) AS i
            JOIN ${schema}.ledger_reservations r ON r.id = i.id
            CROSS JOIN LATERAL unnest(r.scopes, r.buckets, r.holds, r.charges) WITH ORDINALITY
              AS e(scope, bucket, hold, charge, at)
            GROUP BY e.scope, e.bucket
          ) AS t;
        PERFORM ${schema}.ledger_post(d.scopes, d.buckets, d.useds, d.helds);
        UPDATE ${schema}.ledger_reservations r
          SET state = 'settled', due_ms = ${schema}.ledger_now() + remember_ms,
            scopes = NULL, buckets = NULL, holds = NULL, charges = NULL
          WHERE r.id = ANY (found_ids);
      END IF;
      RETURN '[' || ${schema}.ledger_now() || ',' || COALESCE(cardinality(found_ids), 0) || ']';
    END $$;`;
}

function renewFunction(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.ledger_renew(
      lock_ms integer, ids text[], leases bigint[], ends integer[], new_charges bigint[]
    ) RETURNS text LANGUAGE plpgsql ${functionSettings} AS $$
    DECLARE
      now_ms bigint;
      found_ids text[];
    BEGIN
      PERFORM set_config('lock_timeout', lock_ms::text, true);
      PERFORM 1 FROM (
        SELECT 1 FROM ${schema}.ledger_reservations r
        WHERE r.id = ANY (ids) AND r.state = 'held' ORDER BY r.id FOR UPDATE
      ) AS locked;
      now_ms := ${schema}.ledger_now();
      WITH renewed AS (
        UPDATE ${schema}.ledger_reservations r
        SET due_ms = now_ms + i.lease,
          charges = CASE WHEN ends[i.at] = i.before THEN r.charges ELSE ARRAY(
            SELECT COALESCE(CASE WHEN i.before + e.at <= ends[i.at] THEN new_charges[i.before + e.at] END, e.charge)
            FROM unnest(r.charges) WITH ORDINALITY AS e(charge, at) ORDER BY e.at) END
        FROM (
          SELECT n.id, n.lease, n.at, COALESCE(ends[n.at - 1], 0) AS before
          FROM unnest(ids, leases) WITH ORDINALITY AS n(id, lease, at)
        ) AS i
        WHERE r.id = i.id AND r.state = 'held' AND r.due_ms > now_ms
        RETURNING r.id
      )
      SELECT array_agg(id) INTO found_ids FROM renewed;
      RETURN '[' || now_ms || ',' || (
        SELECT json_agg(COALESCE(n.id = ANY (found_ids), false) ORDER BY n.at)
        FROM unnest(ids) WITH ORDINALITY AS n(id, at)) || ']';
    END $$;`;
}

/** A lease whose holds are not in the counters, as when emptied by hand, is alone in its call, then released. */
function expireFunction(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.ledger_expire(lock_ms integer, remember_ms bigint, most integer)
    RETURNS text LANGUAGE plpgsql ${functionSettings} AS $$
    DECLARE
      now_ms bigint := ${schema}.ledger_now();
      found_ids text[];
      d record;
      broken integer := 0;
    BEGIN
      PERFORM set_config('lock_timeout', lock_ms::text, true);
      SELECT array_agg(t.id) INTO found_ids FROM (
        SELECT r.id FROM ${schema}.ledger_reservations r
        WHERE r.state = 'held' AND r.due_ms <= now_ms
        ORDER BY r.due_ms LIMIT most FOR UPDATE SKIP LOCKED
      ) AS t;
      IF found_ids IS NOT NULL THEN
        SELECT array_agg(t.scope) AS scopes, array_agg(t.bucket) AS buckets,
            array_agg(t.used) AS useds, array_agg(t.held) AS helds INTO d
          FROM (
            SELECT e.scope, e.bucket, sum(e.charge)::bigint AS used, sum(-e.hold)::bigint AS held
            FROM ${schema}.ledger_reservations r
            CROSS JOIN LATERAL unnest(r.scopes, r.buckets, r.holds, r.charges) AS e(scope, bucket, hold, charge)
            WHERE r.id = ANY (found_ids)
            GROUP BY e.scope, e.bucket
          ) AS t;
        BEGIN
          PERFORM ${schema}.ledger_post(d.scopes, d.buckets, d.useds, d.helds);
        EXCEPTION WHEN check_violation THEN
          IF most > 1 THEN RAISE; END IF;
          broken := 1;
        END;
        UPDATE ${schema}.ledger_reservations r SET state = 'expired', due_ms = now_ms + remember_ms
          WHERE r.id = ANY (found_ids);
      END IF;
      RETURN '[' || now_ms || ',' || COALESCE(cardinality(found_ids), 0) || ',' || broken || ']';
    END $$;`;
}
