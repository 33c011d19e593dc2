/** The most that one bucket counts, 2^60: sums of a few stay within 64 bits, and a flood of nonsense breaks nothing. */
export const mostCounted = '1152921504606846976';

/** Names the row by which reservations over several buckets of a scope take turns; not a bucket of theirs. */
export const turnBucket = '-9223372036854775808';

/** Settings of every function: no names of others, and plans that do not depend on how full the tables were. */
export const functionSettings = `
  SET search_path = pg_catalog, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off`;

/**
 * Tables of the ledger. A counter with `forget_ms` NULL has no end. A reservation is due when its lease ends; once
 * ended, when it is to be forgotten. `ledger_clock` keeps the latest time seen, so that the clock never goes back.
 */
export function ledgerTables(schema: string): string {
  return `
    CREATE TABLE ${schema}.ledger_clock (
      single boolean PRIMARY KEY DEFAULT true CHECK (single),
      mark_ms bigint NOT NULL
    );
    INSERT INTO ${schema}.ledger_clock (mark_ms) VALUES (0);
    CREATE TABLE ${schema}.ledger_counters (
      scope text COLLATE "C" NOT NULL,
      bucket bigint NOT NULL,
      used bigint NOT NULL DEFAULT 0 CONSTRAINT ledger_used CHECK (used >= 0),
      held bigint NOT NULL DEFAULT 0 CONSTRAINT ledger_held CHECK (held BETWEEN 0 AND ${mostCounted}),
      forget_ms bigint,
      PRIMARY KEY (scope, bucket)
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
    CREATE INDEX ledger_counters_forget ON ${schema}.ledger_counters (forget_ms) WHERE forget_ms IS NOT NULL;
    CREATE INDEX ledger_counters_kept ON ${schema}.ledger_counters (scope) WHERE forget_ms IS NULL;
    CREATE TABLE ${schema}.ledger_reservations (
      id text COLLATE "C" PRIMARY KEY,
      state text NOT NULL CHECK (state IN ('held', 'expired', 'settled', 'denied')),
      due_ms bigint NOT NULL,
      scopes text[],
      buckets bigint[],
      holds bigint[],
      charges bigint[],
      answer text NOT NULL,
      names text NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.05);
    CREATE INDEX ledger_reservations_leases ON ${schema}.ledger_reservations (due_ms) WHERE state = 'held';
    CREATE INDEX ledger_reservations_ended ON ${schema}.ledger_reservations (due_ms) WHERE state <> 'held';
    CREATE FUNCTION ${schema}.ledger_now() RETURNS bigint LANGUAGE plpgsql ${functionSettings} AS $$
    BEGIN
      RETURN GREATEST(
        floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        (SELECT c.mark_ms FROM ${schema}.ledger_clock c WHERE c.single)
      );
    END $$;`;
}
