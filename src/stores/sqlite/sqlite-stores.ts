import { resolve } from 'node:path';
import { createRuntime, type Runtime } from '../../runtime.ts';
import type { Stores } from '../stores.ts';
import { createChangeFeed } from './change-feed.ts';
import { createSqliteConnection } from './connection.ts';
import { memoryFile } from './open-file.ts';
import { createSqliteConfigStore } from './sqlite-config-store.ts';
import { createSqliteKeyStore } from './sqlite-key-store.ts';
import { createSqliteLedger, type SqliteLedger } from './sqlite-ledger.ts';
import type { SqliteLedgerOptions } from './sqlite-ledger-options.ts';
import { createSqliteSecretStore } from './sqlite-secret-store.ts';
import { sqliteSteps } from './steps.ts';

/** Where a SQLite database is, and what it may take. */
export interface SqliteStoresOptions {
  /**
   * Path of the database, on a local disk; relative to the current working directory. Created with mode 0600 when
   * missing; its directory must exist. `:memory:` keeps everything in this process, for tests.
   */
  readonly file: string;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
  /**
   * Whether opening brings the schema to what this release needs. If `false`, a schema that lacks a step is refused
   * until `migrate()` was called. @default true
   */
  readonly migrate?: boolean;
  /**
   * Whether opening walks all pages and refuses a damaged database; takes a second for some hundred megabytes, in its
   * own thread. @default true
   */
  readonly checkIntegrity?: boolean;
  /** How long a call waits for other writers, its turn included, before it rejects. Never blocks the event loop. @default 2_000 */
  readonly busyTimeoutMs?: number;
  /** Writes that may wait for their turn; more reject at once. @default 10_000 */
  readonly maxWaitingWrites?: number;
  /** How often to look for changes by other processes while somebody watches. @default 100 */
  readonly pollMs?: number;
  /**
   * How soon after a failure to open the file it is retried; until then calls reject with that failure. @default 500
   */
  readonly reopenMs?: number;
  /** Changes that the database remembers; watchers that fall behind further are told that anything may have changed. @default 1_000 */
  readonly maxChanges?: number;
  /** Versions of the configuration that are kept; older ones are dropped. @default 1_000 */
  readonly maxVersions?: number;
  /** How the ledger behaves. @default as documented there */
  readonly ledger?: SqliteLedgerOptions;
}

/** Stores on SQLite; for the ledger see `createSqliteLedger`. */
export interface SqliteStores extends Stores {
  readonly ledger: SqliteLedger;
}

/**
 * Keeps keys, configuration, secrets and the ledger in one SQLite file, for one machine without a database server.
 * Several processes may share the file; each is told of the others' changes within `pollMs`. Uses `node:sqlite`, loaded
 * by the first call.
 *
 * The file is opened by the first call, so call `migrate()` at start: it rejects when the file is damaged, belongs to
 * another application or was made by a release that this one cannot run beside, and then changes nothing. What was
 * written has reached the disk when the call resolves (WAL, `synchronous = FULL`), except for times of use and, unless
 * `ledger.durable`, what the ledger counts, which a power failure may set back. On a disk that is full, read-only or
 * failing, writes reject and reads go on; but in a directory that is not writable, reads only work while another
 * process has the database open, since WAL needs two files beside it. A write that the disk failed may be in force
 * after a crash at that moment: read before trying again. A file moved or replaced while open is noticed by the next
 * call; a new one is never created in its place.
 *
 * A call that fails rejects with an Error that names the file and the reason; none gives half an answer.
 *
 * @throws TypeError naming the option when one is not usable
 */
export function createSqliteStores(options: SqliteStoresOptions): SqliteStores {
  const { file, runtime = createRuntime(), migrate = true, checkIntegrity = true } = options;
  if (typeof file !== 'string' || file === '' || file.includes('\0')) {
    throw new TypeError('createSqliteStores: "file" must be a path or ":memory:".');
  }
  const connection = createSqliteConnection({
    file: file === memoryFile ? file : resolve(file),
    runtime,
    steps: sqliteSteps,
    migrate,
    checkIntegrity,
    busyTimeoutMs: requireInteger('busyTimeoutMs', options.busyTimeoutMs ?? 2_000, 0),
    maxWaitingWrites: requireInteger('maxWaitingWrites', options.maxWaitingWrites ?? 10_000, 1),
    reopenMs: requireInteger('reopenMs', options.reopenMs ?? 500, 0),
  });
  const feed = createChangeFeed({
    connection,
    runtime,
    pollMs: requireInteger('pollMs', options.pollMs ?? 100, 1),
    maxChanges: requireInteger('maxChanges', options.maxChanges ?? 1_000, 1),
  });
  const ledger = createSqliteLedger(connection, runtime, options.ledger);
  const maxVersions = requireInteger('maxVersions', options.maxVersions ?? 1_000, 1);
  return {
    backend: 'sqlite',
    keys: createSqliteKeyStore(connection, feed, runtime),
    config: createSqliteConfigStore(connection, feed, maxVersions),
    secrets: createSqliteSecretStore(connection, feed),
    ledger,
    migrate: () => connection.migrate(),
    async close() {
      feed.stop();
      await ledger.close();
      await connection.close();
    },
  };
}

const longestMs = 2_147_483_647;

function requireInteger(option: string, value: number, min: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > longestMs) {
    throw new TypeError(`createSqliteStores: "${option}" must be an integer from ${min} to ${longestMs}.`);
  }
  return value;
}
