import { UnavailableError } from './failure.ts';

/** The part of a `pg` pool that is used; `new pg.Pool(…)` is one. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  readonly options?: { readonly max?: number | undefined };
}

/** The part of a connection from a `pg` pool that is used. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
  /** Returns the connection to the pool; with an error or `true` it is closed instead. */
  release(error?: Error | boolean): void;
  on(event: string, listener: (...values: unknown[]) => void): unknown;
  removeListener(event: string, listener: (...values: unknown[]) => void): unknown;
  /** Lets the process end while this connection is open. */
  unref?(): void;
}

/**
 * One row, by column name. Numbers beyond 32 bits are selected as text, because drivers differ in how they return them.
 */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** A pool that these stores open and close. */
export interface OwnPostgresPool extends PostgresPool {
  end(): Promise<void>;
}

/** How a pool of our own is opened. */
export interface OwnPostgresPoolOptions {
  readonly connectionString: string;
  readonly max: number;
  readonly connectionTimeoutMillis: number;
}

interface PgModule {
  readonly Pool: new (options: object) => OwnPostgresPool;
}

/**
 * Opens a pool with the library `pg`, which is loaded only now.
 *
 * @throws Error that says what to install when `pg` is missing
 */
export async function openPostgresPool(options: OwnPostgresPoolOptions): Promise<OwnPostgresPool> {
  let module: PgModule & { readonly default?: PgModule };
  try {
    module = (await import('pg')) as unknown as typeof module;
  } catch (cause) {
    throw new UnavailableError('The package "pg" is missing: run `npm install pg`, or pass a pool.', {
      cause,
    });
  }
  const { Pool } = module.default ?? module;
  return new Pool({
    ...options,
    application_name: 'headgate',
    // the kernel detects a dead peer too; an idle pool keeps no process alive
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    allowExitOnIdle: true,
  });
}
