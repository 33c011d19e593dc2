import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createLeasingLedger, type LeasingLedger } from '../../../src/limits/leasing/leasing-ledger.ts';
import type { Ledger } from '../../../src/limits/ledger.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { createMemoryLedger } from '../../../src/stores/memory/memory-ledger.ts';
import { createPostgresStores } from '../../../src/stores/postgres/postgres-stores.ts';
import { createRedisStores } from '../../../src/stores/redis/redis-stores.ts';
import { createSqliteStores } from '../../../src/stores/sqlite/sqlite-stores.ts';
import type { Stores } from '../../../src/stores/stores.ts';
import { startPostgres } from '../../../test/servers/postgres.ts';
import { startRedis } from '../../../test/servers/redis.ts';
import type { TestServer } from '../../../test/servers/test-server.ts';
import { patientDeadlineMs } from './settings.ts';

/** Where counts are kept. */
export type StoreName = 'memory' | 'sqlite' | 'redis' | 'postgres';

/** What is verified: a ledger on a store, asked for each request or by slices. */
export const ledgerNames = [
  'memory',
  'sqlite',
  'redis',
  'postgres',
  'leasing-sqlite',
  'leasing-redis',
  'leasing-postgres',
] as const;

/** One of them. */
export type LedgerName = (typeof ledgerNames)[number];

/** The store below a ledger. */
export function storeOf(name: LedgerName): StoreName {
  return name.replace('leasing-', '') as StoreName;
}

/** Whether gateways take slices. */
export function isLeasing(name: LedgerName): boolean {
  return name.startsWith('leasing-');
}

/** A store of our own. */
export interface StoreServer {
  readonly url: string;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the store; memory is in the process that opens it and has none. */
export async function startStore(name: StoreName): Promise<StoreServer> {
  if (name === 'redis') return startRedis({ own: true }).then(toStoreServer);
  if (name === 'postgres') return startPostgres({ own: true, durable: true }).then(toStoreServer);
  if (name === 'sqlite') return makeFile();
  const nothing = async () => undefined;
  return { url: '', freeze: nothing, thaw: nothing, stop: nothing };
}

function toStoreServer(server: TestServer): StoreServer {
  return {
    url: server.url,
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    stop: () => server.stop(),
  };
}

/** A file stands still while another has its lock. */
function makeFile(): StoreServer {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-limits-'));
  const path = join(directory, 'headgate.sqlite');
  let lock: DatabaseSync | undefined;
  const thaw = async () => {
    lock?.exec('ROLLBACK');
    lock?.close();
    lock = undefined;
  };
  return {
    url: path,
    async freeze() {
      lock = new DatabaseSync(path, { timeout: 2_000 });
      lock.exec('BEGIN IMMEDIATE');
    },
    thaw,
    async stop() {
      await thaw();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A ledger with connections of its own. */
export interface OpenedLedger {
  readonly ledger: Ledger;
  /** What a leasing ledger tells of itself. */
  readonly leasing: LeasingLedger | undefined;
  /** Whether a settlement may be answered before it is made. */
  areSettlementsLate(): boolean;
  close(): Promise<void>;
}

/** Opens a ledger on a store that was started. Ledgers have their defaults, but for the patience of a busy machine. */
export async function openLedger(name: LedgerName, url: string, areDefaults = false): Promise<OpenedLedger> {
  const patience = areDefaults ? {} : { deadlineMs: patientDeadlineMs };
  const runtime = createRuntime();
  if (name === 'memory') {
    return {
      ledger: createMemoryLedger(runtime),
      leasing: undefined,
      areSettlementsLate: () => false,
      close: async () => undefined,
    };
  }
  const stores = openStores(storeOf(name), url, patience);
  const { ledger: shared } = stores;
  const close = async () => {
    await shared.close?.();
    await stores.close();
  };
  const areSettlementsLate = () => shared.state().areSettlementsLate;
  await stores.migrate();
  if (!isLeasing(name)) return { ledger: shared, leasing: undefined, areSettlementsLate, close };
  const leasing = createLeasingLedger({ shared, runtime, ...patience });
  return {
    ledger: leasing,
    leasing,
    // what is settled in slices is posted later in any case
    areSettlementsLate: () => false,
    async close() {
      await leasing.close?.();
      await close();
    },
  };
}

type LedgerStores = Stores & {
  readonly ledger: Ledger & { state(): { readonly areSettlementsLate: boolean } };
};

function openStores(name: StoreName, url: string, ledger: { readonly deadlineMs?: number }): LedgerStores {
  if (name === 'redis') return createRedisStores({ url, ledger });
  if (name === 'postgres') return createPostgresStores({ connectionString: url, ledger });
  return createSqliteStores({ file: url, ledger });
}
