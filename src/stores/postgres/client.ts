import { UnavailableError } from './failure.ts';

/** What is needed of a pool of `pg`; `new pg.Pool(…)` is one. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  readonly options?: { readonly max?: number | undefined };
}

/** What is needed of a connection that a pool of `pg` hands out. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
  /** Gives the connection back to the pool; with an error or `true` it is closed instead. */
  release(error?: Error | boolean): void;
  on(event: string, listener: (...values: unknown[]) => void): unknown;
  removeListener(event: string, listener: (...values: unknown[]) => void): unknown;
  /** Lets the process end while this connection is open. */
  unref?(): void;
}

/** One row, by the names of its columns. Numbers beyond 32 bits are selected as text, because drivers differ in them. */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** A pool that these stores opened, and close. */
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
 * Opens a pool with the library `pg`, which is loaded now and not before.
 *
 * @throws Error that says what to install when `pg` is not there
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
    // a dead peer is found out by the kernel too; an idle pool keeps no process alive
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    allowExitOnIdle: true,
  });
}
