import type { MigrationStep } from '../sql/migration.ts';
import { ledgerPruneFunction } from './postgres-ledger-prune.ts';
import { ledgerReserveFunction } from './postgres-ledger-reserve.ts';
import { ledgerTables } from './postgres-ledger-tables.ts';
import { ledgerTransitionFunctions } from './postgres-ledger-transitions.ts';

/** Changes remembered of each kind: whoever is further behind is told that anything may have changed. */
export const rememberedChanges = 10_000;

/** Channel that changes of a schema are notified on. */
export function channelOf(schema: string): string {
  return `${schema}_changes`;
}

/**
 * All steps, oldest first, under the rule of `MigrationStep`. A function is never replaced: a new one has a new name.
 *
 * Records are kept as `json`, which returns what it was given, character by character; what is searched by has its own
 * columns. `changes` numbers every change of each kind without gaps, in the order of their commits, because
 * `note_change` holds the row of the kind in `stamps` until its transaction ends.
 */
export function postgresSteps(schema: string): readonly MigrationStep[] {
  return [
    {
      name: 'changes, numbered and notified',
      generation: 1,
      statements: [
        `
        CREATE TABLE ${schema}.stamps (kind text PRIMARY KEY, stamp bigint NOT NULL);
        INSERT INTO ${schema}.stamps VALUES ('keys', 0), ('config', 0), ('secrets', 0);
        CREATE TABLE ${schema}.changes (
          kind text NOT NULL,
          stamp bigint NOT NULL,
          id text NOT NULL,
          write_id uuid NOT NULL,
          PRIMARY KEY (kind, stamp),
          CONSTRAINT changes_write_id UNIQUE (write_id)
        );
        CREATE FUNCTION ${schema}.note_change(changed_kind text, changed_id text, writer uuid)
        RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE number bigint;
        BEGIN
          UPDATE ${schema}.stamps SET stamp = stamp + 1 WHERE kind = changed_kind RETURNING stamp INTO STRICT number;
          INSERT INTO ${schema}.changes VALUES (changed_kind, number, changed_id, writer);
          DELETE FROM ${schema}.changes WHERE kind = changed_kind AND stamp <= number - ${rememberedChanges};
          PERFORM pg_catalog.pg_notify('${channelOf(schema)}', pg_catalog.json_build_object(
            'kind', changed_kind,
            'stamp', number::text,
            'id', CASE WHEN pg_catalog.octet_length(changed_id) <= 1000 THEN changed_id END
          )::text);
          RETURN number;
        END $$;`,
      ],
    },
    {
      name: 'keys and their uses',
      generation: 1,
      statements: [
        `
        CREATE TABLE ${schema}.keys (
          kid text COLLATE "C" PRIMARY KEY,
          version bigint NOT NULL,
          team text NOT NULL,
          project text,
          owner text,
          created_at_ms bigint NOT NULL,
          revoked_at_ms bigint,
          record json NOT NULL
        );
        CREATE INDEX keys_team ON ${schema}.keys (team, kid);
        CREATE INDEX keys_project ON ${schema}.keys (project, kid) WHERE project IS NOT NULL;
        CREATE INDEX keys_owner ON ${schema}.keys (owner, kid) WHERE owner IS NOT NULL;
        CREATE TABLE ${schema}.key_uses (
          kid text COLLATE "C" PRIMARY KEY REFERENCES ${schema}.keys ON DELETE CASCADE,
          used_at_ms bigint,
          previous_used_at_ms bigint
        ) WITH (fillfactor = 70);`,
      ],
    },
    {
      name: 'versions of the configuration',
      generation: 1,
      statements: [
        `
        CREATE TABLE ${schema}.config_versions (
          number bigint PRIMARY KEY,
          author text NOT NULL,
          created_at_ms bigint NOT NULL,
          message text,
          digest text NOT NULL,
          config json NOT NULL
        );`,
      ],
    },
    {
      name: 'sealed secrets',
      generation: 1,
      statements: [
        `
        CREATE TABLE ${schema}.secrets (
          id text COLLATE "C" PRIMARY KEY,
          version bigint NOT NULL,
          record json NOT NULL
        );`,
      ],
    },
    {
      name: 'what is used and held of limits',
      generation: 1,
      statements: [
        ledgerTables(schema),
        ledgerReserveFunction(schema),
        ...ledgerTransitionFunctions(schema),
        ledgerPruneFunction(schema),
      ],
    },
  ];
}
