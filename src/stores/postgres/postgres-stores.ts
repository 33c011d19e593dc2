import { createRuntime, type Runtime } from '../../runtime.ts';
import type { Stores } from '../stores.ts';
import { createChangeFeed } from './change-feed.ts';
import { toHintPayload } from './change-watch.ts';
import type { PostgresPool } from './client.ts';
import { createPostgresDatabase } from './connection.ts';
import { createPostgresContext } from './context.ts';
import { migratePostgres } from './migrate.ts';
import { createPostgresConfigStore } from './postgres-config-store.ts';
import { createPostgresKeyStore } from './postgres-key-store.ts';
import { createPostgresLedger, type PostgresLedger } from './postgres-ledger.ts';
import type { PostgresLedgerOptions } from './postgres-ledger-options.ts';
import { createPostgresSecretStore } from './postgres-secret-store.ts';
import type { PostgresSession } from './session.ts';
import { channelOf, postgresSteps } from './steps.ts';

/** Where a PostgreSQL database is, and how long it may take. Give either `pool` or `connectionString`. */
export interface PostgresStoresOptions {
  /**
   * A pool of the package `pg`, or anything that behaves like one. It stays open on `close`. Give it a
   * `connectionTimeoutMillis`, and a `max` of at least 2: one connection is kept for LISTEN while somebody watches.
   */
  readonly pool?: PostgresPool;
  /** `postgres://user:password@host:port/database`, for a pool that these stores open and close themselves. */
  readonly connectionString?: string;
  /** Connections of that pool. @default 10 */
  readonly maxConnections?: number;
  /** PostgreSQL schema that holds the tables: 1 to 40 of `a-z 0-9 _`, not beginning with a digit. @default 'headgate' */
  readonly schema?: string;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
  /**
   * Whether the first call brings the schema to what this release needs, see `migrate()`. If `false`, calls reject
   * until somebody has done it. @default true
   */
  readonly migrate?: boolean;
  /** How often to look for changes while somebody watches, whether or not notifications work, milliseconds. @default 1_000 */
  readonly pollMs?: number;
  /**
   * Whether to keep a connection that listens for notifications. Turn it off behind a pooler that shares connections by
   * transaction (pgbouncer in transaction mode), where it cannot work: that is detected and retried ever more rarely,
   * but each try leaves a server connection listening for nobody. @default true
   */
  readonly listen?: boolean;
  /** How often the listening connection is tested, milliseconds. @default 5_000 */
  readonly heartbeatMs?: number;
  /**
   * After how long `findKey`, `findSecret`, `readNumber` and `readSecretsStamp` reject, all waiting and retries
   * included, milliseconds: requests wait for these. @default 500
   */
  readonly readDeadlineMs?: number;
  /** The same for every other call, milliseconds. @default 2_000 */
  readonly deadlineMs?: number;
  /** The same for `migrate()`, milliseconds. @default 60_000 */
  readonly migrateDeadlineMs?: number;
  /** Calls that may wait for a connection; more reject at once. @default 1_000 */
  readonly maxWaiting?: number;
  /**
   * Calls of `findKey` that may wait for their turn; more reject at once. They are looked up 500 at a time by at most
   * four statements, so they need no connection each. @default 100_000
   */
  readonly maxWaitingLookUps?: number;
  /** How the ledger behaves. @default as documented there */
  readonly ledger?: PostgresLedgerOptions;
}

/** Stores on PostgreSQL; for the ledger see `createPostgresLedger`. */
export interface PostgresStores extends Stores {
  readonly ledger: PostgresLedger;
}

/**
 * Keeps keys, configuration, secrets and the ledger in PostgreSQL (11 or later), for any number of nodes. Nothing
 * connects before the first call.
 *
 * - A call that cannot be answered rejects with an Error within its deadline, even when the server accepts connections
 *   and never answers; the connection is then closed and does not go back to the pool. A call whose connection was
 *   lost is retried, at most three times; a change is still made exactly once. A change whose call rejected may be in
 *   force, or come into force when a stopped server goes on: read before trying again.
 * - Changes are announced by LISTEN/NOTIFY, usually within milliseconds, and found by polling every `pollMs` at the
 *   latest.
 * - Only unnamed statements and no session state (except for LISTEN) are used, so pgbouncer in transaction mode works;
 *   set `listen: false` there.
 * - Neither idle connections nor watches keep the process alive.
 *
 * The role that migrates needs CREATE on the database, or to own the schema. The role that serves needs only this, and
 * `migrate: false` or an up-to-date schema:
 *
 * ```sql
 * GRANT USAGE ON SCHEMA headgate TO serving;
 * GRANT SELECT ON headgate.migrations TO serving;
 * GRANT SELECT, INSERT, UPDATE ON headgate.keys, headgate.key_uses TO serving;
 * GRANT SELECT, INSERT ON headgate.config_versions TO serving;
 * GRANT SELECT, INSERT, UPDATE, DELETE ON headgate.secrets TO serving;
 * GRANT SELECT, UPDATE ON headgate.stamps TO serving;
 * GRANT SELECT, INSERT, DELETE ON headgate.changes TO serving;
 * GRANT SELECT, INSERT, UPDATE, DELETE ON headgate.ledger_counters, headgate.ledger_reservations TO serving;
 * GRANT SELECT, UPDATE ON headgate.ledger_clock TO serving;
 * ```
 *
 * @throws TypeError naming the option when one is not usable
 */
export function createPostgresStores(options: PostgresStoresOptions): PostgresStores {
  const { pool, connectionString, schema = 'headgate', runtime = createRuntime(), listen = true } = options;
  if ((pool === undefined) === (connectionString === undefined || connectionString === '')) {
    throw new TypeError('createPostgresStores: either "pool" or "connectionString" must be given.');
  }
  if (pool !== undefined && typeof pool.connect !== 'function') {
    throw new TypeError('createPostgresStores: "pool" must be a pool of the package pg.');
  }
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema) || schema.startsWith('pg_')) {
    throw new TypeError(
      'createPostgresStores: "schema" must be 1 to 40 of a-z, 0-9 and _, and begin with no digit.',
    );
  }
  const deadlineMs = requireInteger('deadlineMs', options.deadlineMs, 2_000);
  const database = createPostgresDatabase({
    pool,
    connectionString,
    maxConnections: requireInteger('maxConnections', options.maxConnections, 10),
    maxWaiting: requireInteger('maxWaiting', options.maxWaiting, 1_000),
    connectDeadlineMs: deadlineMs,
    runtime,
  });
  const migration = {
    database,
    schema,
    steps: postgresSteps(schema),
    deadlineMs: requireInteger('migrateDeadlineMs', options.migrateDeadlineMs, 60_000),
  };
  // one migration serves all calls that wait for it; after a failed one the next call starts again
  let migrating: Promise<readonly string[]> | undefined;
  const migrate = (): Promise<readonly string[]> => {
    migrating ??= migratePostgres(migration).catch((error) => {
      migrating = undefined;
      throw error;
    });
    return migrating;
  };
  const after = options.migrate === false ? undefined : migrate;
  const feed = createChangeFeed({
    database,
    schema,
    runtime,
    listen,
    pollMs: requireInteger('pollMs', options.pollMs, 1_000),
    heartbeatMs: requireInteger('heartbeatMs', options.heartbeatMs, 5_000),
    deadlineMs,
    after,
  });
  const readDeadlineMs = requireInteger('readDeadlineMs', options.readDeadlineMs, 500);
  const maxWaitingLookUps = requireInteger('maxWaitingLookUps', options.maxWaitingLookUps, 100_000);
  const shared = { database, feed, schema, runtime, readDeadlineMs, maxWaitingLookUps, deadlineMs, after };
  const context = createPostgresContext(shared);
  const ledger = createPostgresLedger({ database, schema, runtime, after }, options.ledger);
  return {
    backend: 'postgres',
    keys: createPostgresKeyStore(context),
    config: createPostgresConfigStore(context),
    secrets: createPostgresSecretStore(context),
    ledger,
    hints: {
      publish(text) {
        const notify = (session: PostgresSession) =>
          session.query('SELECT pg_notify($1, $2)', [channelOf(schema), toHintPayload(text)]);
        database.run({ what: 'watch', deadlineMs, after }, notify).catch(() => undefined);
      },
      listen(listener) {
        return feed.watch('hints', (text) => text !== undefined && listener(text));
      },
    },
    async migrate() {
      // an explicit call looks again: what an earlier call found is old
      await migrating?.catch(() => {});
      migrating = undefined;
      return migrate();
    },
    async close() {
      await Promise.all([ledger.close(), feed.close()]);
      await database.close(deadlineMs);
    },
  };
}

function requireInteger(option: string, value: number | undefined, byDefault: number): number {
  const number = value ?? byDefault;
  if (!Number.isSafeInteger(number) || number < 1 || number > 2_147_483_647) {
    throw new TypeError(`createPostgresStores: "${option}" must be an integer of 1 or more.`);
  }
  return number;
}
