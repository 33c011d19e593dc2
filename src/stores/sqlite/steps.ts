import type { MigrationStep } from '../sql/migration.ts';

/**
 * The schema of the SQLite stores, step by step; see `MigrationStep` for what a new one may do. Records are JSON; what
 * is queried also has a column. Text is compared byte by byte (`BINARY`, SQLite's default).
 */
export const sqliteSteps: readonly MigrationStep[] = [
  {
    name: 'changes',
    generation: 1,
    statements: [
      `CREATE TABLE headgate_migrations (
        name TEXT NOT NULL PRIMARY KEY,
        generation INTEGER NOT NULL,
        done_at_ms INTEGER NOT NULL
      ) STRICT`,
      // AUTOINCREMENT: no number is reused, however many rows were deleted
      `CREATE TABLE headgate_changes (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        id TEXT NOT NULL
      ) STRICT`,
      `CREATE TABLE headgate_stamps (
        kind TEXT NOT NULL PRIMARY KEY,
        stamp INTEGER NOT NULL
      ) STRICT`,
    ],
  },
  {
    name: 'keys',
    generation: 1,
    statements: [
      `CREATE TABLE headgate_keys (
        kid TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        team TEXT NOT NULL,
        project TEXT,
        owner TEXT,
        is_revoked INTEGER NOT NULL,
        created_at_ms REAL NOT NULL,
        record TEXT NOT NULL
      ) STRICT`,
      // separate, since uses are far more frequent than changes: many of these rows fit in one page to write
      `CREATE TABLE headgate_key_uses (
        kid TEXT NOT NULL PRIMARY KEY REFERENCES headgate_keys (kid),
        last_used_at_ms REAL,
        previous_used_at_ms REAL
      ) STRICT, WITHOUT ROWID`,
      'CREATE INDEX headgate_keys_team ON headgate_keys (team, kid)',
      'CREATE INDEX headgate_keys_project ON headgate_keys (project, kid)',
      'CREATE INDEX headgate_keys_owner ON headgate_keys (owner, kid)',
    ],
  },
  {
    name: 'config',
    generation: 1,
    statements: [
      `CREATE TABLE headgate_config (
        number INTEGER PRIMARY KEY,
        author TEXT NOT NULL,
        created_at_ms REAL NOT NULL,
        message TEXT,
        digest TEXT NOT NULL,
        config TEXT NOT NULL
      ) STRICT`,
    ],
  },
  {
    name: 'secrets',
    generation: 1,
    statements: [
      `CREATE TABLE headgate_secrets (
        id TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        provider TEXT NOT NULL,
        scope TEXT NOT NULL,
        subject TEXT,
        record TEXT NOT NULL
      ) STRICT`,
    ],
  },
  {
    name: 'ledger',
    generation: 1,
    statements: [
      // one row: the latest instant that the ledger has seen, and how many reservations have ended and are remembered
      `CREATE TABLE headgate_ledger_clock (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        last_ms INTEGER NOT NULL,
        ended INTEGER NOT NULL
      ) STRICT`,
      'INSERT INTO headgate_ledger_clock (id, last_ms, ended) VALUES (1, 0, 0)',
      // is_kept: the bucket never ends, and goes only when nothing is counted in it
      `CREATE TABLE headgate_ledger_buckets (
        scope TEXT NOT NULL,
        bucket INTEGER NOT NULL,
        used INTEGER NOT NULL CHECK (used >= 0),
        held INTEGER NOT NULL CHECK (held >= 0),
        is_kept INTEGER NOT NULL,
        check_at_ms INTEGER NOT NULL,
        PRIMARY KEY (scope, bucket)
      ) STRICT, WITHOUT ROWID`,
      'CREATE INDEX headgate_ledger_buckets_check ON headgate_ledger_buckets (check_at_ms)',
      // ends_at_ms: of a held one, when its lease runs out; of the others, when they are forgotten
      `CREATE TABLE headgate_ledger_reservations (
        sequence INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        ends_at_ms INTEGER NOT NULL,
        record TEXT NOT NULL
      ) STRICT`,
      `CREATE INDEX headgate_ledger_leases ON headgate_ledger_reservations (ends_at_ms) WHERE state = 'held'`,
      `CREATE INDEX headgate_ledger_ended ON headgate_ledger_reservations (ends_at_ms) WHERE state <> 'held'`,
    ],
  },
];
