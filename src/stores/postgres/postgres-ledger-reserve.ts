import { functionSettings, mostCounted } from './postgres-ledger-tables.ts';

/**
 * `ledger_reserve`: several reservations in one transaction, each decided after the ones before it. All rows that
 * decide are locked first, in one order, or created: when two create the same row at once, the second waits. The time
 * is read after that, so that no wait carries a hold into a bucket that has ended. The unique id is the last guard: the
 * second to insert it does everything again and finds the first one's answer.
 *
 * If something is denied while leases that nobody has swept have run out, it writes nothing and says `sweep`.
 */
export function ledgerReserveFunction(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.ledger_reserve(
      lock_ms integer, fence_ms bigint, is_last boolean, denied_for_ms bigint,
      cell_scopes text[], cell_buckets bigint[], cell_forgets bigint[], cell_locks boolean[],
      ids text[], names text[], leases bigint[], froms bigint[], untils bigint[], ends integer[],
      targets integer[], limits bigint[], holds bigint[], charges bigint[], blocks boolean[],
      sum_ends integer[], sum_cells integer[]
    ) RETURNS text LANGUAGE plpgsql ${functionSettings} AS $$
    DECLARE
      now_ms bigint;
      known text[];
      cell_used bigint[];
      cell_held bigint[];
      deltas bigint[];
      answers text[] := ids;
      states text[] := array_fill(NULL::text, ARRAY[cardinality(ids)]);
      entry_used bigint[];
      entry_held bigint[];
      used_here bigint;
      held_here bigint;
      first integer := 1;
      next_sum integer := 1;
      denied_at integer;
      is_any_denied boolean := false;
      is_due boolean;
    BEGIN
      PERFORM set_config('lock_timeout', lock_ms::text, true);
      INSERT INTO ${schema}.ledger_counters AS c (scope, bucket, forget_ms)
        SELECT n.scope, n.bucket, n.forget_ms
        FROM unnest(cell_scopes, cell_buckets, cell_forgets, cell_locks) AS n(scope, bucket, forget_ms, is_locked)
        WHERE n.is_locked ORDER BY n.scope COLLATE "C", n.bucket
        ON CONFLICT (scope, bucket) DO UPDATE SET forget_ms = excluded.forget_ms
        WHERE c.forget_ms < excluded.forget_ms;
      now_ms := ${schema}.ledger_now();
      IF now_ms > fence_ms THEN RETURN '[' || now_ms || ',"late"]'; END IF;
      SELECT array_agg('[' || r.answer || ',' || r.names || ']' ORDER BY i.at) INTO known
        FROM unnest(ids) WITH ORDINALITY AS i(id, at)
        LEFT JOIN ${schema}.ledger_reservations r ON r.id = i.id;
      SELECT array_agg(COALESCE(c.used, 0) ORDER BY n.at), array_agg(COALESCE(c.held, 0) ORDER BY n.at),
          array_agg(0::bigint ORDER BY n.at)
        INTO cell_used, cell_held, deltas
        FROM unnest(cell_scopes, cell_buckets) WITH ORDINALITY AS n(scope, bucket, at)
        LEFT JOIN ${schema}.ledger_counters c ON c.scope = n.scope AND c.bucket = n.bucket;
      is_due := EXISTS (SELECT 1 FROM ${schema}.ledger_reservations r WHERE r.state = 'held' AND r.due_ms <= now_ms);

      FOR i IN 1 .. cardinality(ids) LOOP
        IF known[i] IS NOT NULL OR now_ms < froms[i] OR now_ms >= untils[i] THEN
          answers[i] := COALESCE(known[i], '[["stale"]]');
          next_sum := COALESCE(sum_ends[ends[i]] + 1, next_sum);
        ELSE
          entry_used := '{}';
          entry_held := '{}';
          denied_at := -1;
          FOR e IN first .. ends[i] LOOP
            used_here := 0;
            held_here := 0;
            FOR s IN next_sum .. sum_ends[e] LOOP
              used_here := LEAST(used_here + cell_used[sum_cells[s]], ${mostCounted});
              held_here := LEAST(held_here + cell_held[sum_cells[s]], ${mostCounted});
            END LOOP;
            next_sum := sum_ends[e] + 1;
            entry_used[e - first + 1] := used_here;
            entry_held[e - first + 1] := held_here;
            IF denied_at < 0 AND blocks[e] AND holds[e] > limits[e] - used_here - held_here THEN
              denied_at := e - first;
            END IF;
          END LOOP;
          IF denied_at < 0 THEN
            FOR e IN first .. ends[i] LOOP
              cell_held[targets[e]] := cell_held[targets[e]] + holds[e];
              deltas[targets[e]] := deltas[targets[e]] + holds[e];
              entry_held[e - first + 1] := entry_held[e - first + 1] + holds[e];
            END LOOP;
            states[i] := 'held';
          ELSE
            is_any_denied := true;
            states[i] := 'denied';
          END IF;
          answers[i] := '["' || CASE WHEN denied_at < 0 THEN 'granted' ELSE 'denied' END || '",' || denied_at
            || ',' || to_json(entry_used) || ',' || to_json(entry_held) || ']';
        END IF;
        first := ends[i] + 1;
      END LOOP;
      IF is_any_denied AND is_due AND NOT is_last THEN RETURN '[' || now_ms || ',"sweep"]'; END IF;

      UPDATE ${schema}.ledger_counters c SET held = c.held + n.delta
        FROM unnest(cell_scopes, cell_buckets, deltas) AS n(scope, bucket, delta)
        WHERE n.delta > 0 AND c.scope = n.scope AND c.bucket = n.bucket;
      INSERT INTO ${schema}.ledger_reservations (id, state, due_ms, scopes, buckets, holds, charges, answer, names)
        SELECT ids[n.i], states[n.i],
          now_ms + CASE WHEN states[n.i] = 'held' THEN leases[n.i] ELSE denied_for_ms END,
          CASE WHEN states[n.i] = 'held' THEN
            ARRAY(SELECT cell_scopes[targets[e]] FROM generate_series(n.first, ends[n.i]) AS e ORDER BY e) END,
          CASE WHEN states[n.i] = 'held' THEN
            ARRAY(SELECT cell_buckets[targets[e]] FROM generate_series(n.first, ends[n.i]) AS e ORDER BY e) END,
          CASE WHEN states[n.i] = 'held' THEN holds[n.first : ends[n.i]] END,
          CASE WHEN states[n.i] = 'held' THEN charges[n.first : ends[n.i]] END,
          answers[n.i], names[n.i]
        FROM (SELECT i, COALESCE(ends[i - 1], 0) + 1 AS first FROM generate_series(1, cardinality(ids)) AS i) AS n
        WHERE states[n.i] IS NOT NULL ORDER BY ids[n.i] COLLATE "C"
        ON CONFLICT (id) DO NOTHING;
      GET DIAGNOSTICS first = ROW_COUNT;
      IF first < cardinality(array_remove(states, NULL)) THEN
        RAISE EXCEPTION 'another reservation has one of these ids' USING ERRCODE = 'serialization_failure';
      END IF;
      FOR i IN 1 .. cardinality(ids) LOOP
        IF states[i] IS NOT NULL THEN answers[i] := '[' || answers[i] || ']'; END IF;
      END LOOP;
      RETURN '[' || now_ms || ',' || is_due || ',[' || array_to_string(answers, ',') || ']]';
    END $$;`;
}
