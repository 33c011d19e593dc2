import { functionSettings } from './postgres-ledger-tables.ts';

/**
 * `ledger_prune`: moves the clock's mark forward, and drops what nobody needs any more, at most `most` of each kind:
 * ended ids, buckets to be forgotten, and, going round by `hand`, scopes without a window that are empty. Rows that
 * another transaction has locked are left for the next time.
 */
export function ledgerPruneFunction(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.ledger_prune(lock_ms integer, most integer, hand text)
    RETURNS text LANGUAGE plpgsql ${functionSettings} AS $$
    DECLARE
      now_ms bigint := ${schema}.ledger_now();
      ended bigint;
      forgotten bigint;
      looked text[];
    BEGIN
      PERFORM set_config('lock_timeout', lock_ms::text, true);
      WITH old AS (
        SELECT r.id FROM ${schema}.ledger_reservations r
        WHERE r.state <> 'held' AND r.due_ms <= now_ms ORDER BY r.due_ms LIMIT most FOR UPDATE SKIP LOCKED
      )
      DELETE FROM ${schema}.ledger_reservations r USING old WHERE r.id = old.id;
      GET DIAGNOSTICS ended = ROW_COUNT;
      WITH old AS (
        SELECT c.scope, c.bucket FROM ${schema}.ledger_counters c
        WHERE c.forget_ms IS NOT NULL AND c.forget_ms <= now_ms
        ORDER BY c.forget_ms LIMIT most FOR UPDATE SKIP LOCKED
      )
      DELETE FROM ${schema}.ledger_counters c USING old WHERE c.scope = old.scope AND c.bucket = old.bucket;
      GET DIAGNOSTICS forgotten = ROW_COUNT;
      SELECT array_agg(t.scope) INTO looked FROM (
        SELECT c.scope FROM ${schema}.ledger_counters c
        WHERE c.forget_ms IS NULL AND c.scope > hand COLLATE "C" ORDER BY c.scope LIMIT most
      ) AS t;
      WITH idle AS (
        SELECT c.scope, c.bucket FROM ${schema}.ledger_counters c
        WHERE c.scope = ANY (looked) AND c.bucket = 0 AND c.forget_ms IS NULL AND c.used = 0 AND c.held = 0
        FOR UPDATE SKIP LOCKED
      )
      DELETE FROM ${schema}.ledger_counters c USING idle WHERE c.scope = idle.scope AND c.bucket = idle.bucket;
      UPDATE ${schema}.ledger_clock SET mark_ms = now_ms WHERE single AND mark_ms < now_ms;
      RETURN '[' || now_ms || ',' || (ended >= most OR forgotten >= most) || ',' ||
        to_json(CASE WHEN cardinality(looked) >= most THEN looked[most] ELSE '' END) || ']';
    END $$;`;
}
