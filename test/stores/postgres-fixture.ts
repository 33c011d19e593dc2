import { randomBytes } from 'node:crypto';
import pg from 'pg';
import {
  createPostgresStores,
  type PostgresStores,
  type PostgresStoresOptions,
} from '../../src/stores/postgres/postgres-stores.ts';
import type { StoreNeed } from '../../src/testing/contracts/store-case.ts';
import { noDeadlineMs, patienceMs } from '../eventually.ts';
import { type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts';
import { startSuccessor } from '../servers/postgres.ts';
import type { TestServer } from '../servers/test-server.ts';
import type { StoresHarness } from './stores-contract.ts';

/** A schema of its own on a server, with what was opened on it. */
export interface PostgresPlace {
  readonly schema: string;
  readonly proxy: FaultProxy;
  /**
   * Stores on this schema, through the proxy and with deadlines that no load reaches unless the options say otherwise: a
   * test that freezes or slows something gives its own.
   */
  open(options?: PostgresStoresOptions): PostgresStores;
  /** A statement past the proxy, as a superuser; `schema.` in it is this place's. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** How many connections the stores have on the server. */
  countBackends(): Promise<number>;
  close(): Promise<void>;
}

const patient = { readDeadlineMs: noDeadlineMs, deadlineMs: noDeadlineMs };
const patientLedger = { deadlineMs: noDeadlineMs, settleDeadlineMs: noDeadlineMs };

/** Makes a place; nothing is migrated yet. The proxy stands before `front`: the server, or what stands before that. */
export async function createPlace(
  server: { readonly url: string },
  front: { readonly url: string } = server,
): Promise<PostgresPlace> {
  const schema = `test_${randomBytes(6).toString('hex')}`;
  const proxy = await startFaultProxy(front.url);
  const admin = new pg.Pool({ connectionString: server.url, max: 2, allowExitOnIdle: true });
  admin.on('error', () => {});
  const opened: PostgresStores[] = [];
  const query = async (text: string, values: unknown[] = []) =>
    (await admin.query(text.replaceAll('schema.', `${schema}.`), values)).rows as Record<string, unknown>[];
  return {
    schema,
    proxy,
    open(options = {}) {
      const target = options.pool ? {} : { connectionString: proxy.url };
      const stores = createPostgresStores({
        ...{ ...target, ...patient, schema, pollMs: 200 },
        ...options,
        ledger: { ...patientLedger, ...options.ledger },
      });
      opened.push(stores);
      return stores;
    },
    query,
    async countBackends() {
      const [row] = await query(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'headgate'",
      );
      return Number(row?.count);
    },
    async close() {
      await proxy.heal();
      await Promise.all(opened.map((stores) => stores.close()));
      await query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      await admin.end();
      await proxy.close();
    },
  };
}

/** What the contracts need: refused connections by the proxy, a frozen server by SIGSTOP, where a case needs that. */
export async function createPostgresHarness(
  server: TestServer,
  needs: readonly StoreNeed[],
  options: (place: PostgresPlace) => PostgresStoresOptions = () => ({}),
  front: { readonly url: string } = server,
): Promise<StoresHarness> {
  const place = await createPlace(server, front);
  const deadlines = needs.includes('freeze') ? { readDeadlineMs: 2_000, deadlineMs: 2_000 } : patient;
  const open = () => place.open({ ...deadlines, ...options(place) });
  const stores = open();
  await stores.migrate();
  let successor: TestServer | undefined;
  return {
    stores,
    second: open,
    deadlineMs: deadlines.deadlineMs,
    patienceMs,
    async breakStore() {
      await place.proxy.refuse();
      // two polls, so that watches notice
      await new Promise((resolve) => setTimeout(resolve, 500));
      return () => place.proxy.heal();
    },
    async freeze() {
      await server.freeze();
      return () => server.thaw();
    },
    slow() {
      place.proxy.delay(10);
      return () => place.proxy.delay(0);
    },
    async failOver() {
      successor = await startSuccessor(server.url);
      place.proxy.redirect(successor.url);
    },
    async close() {
      await place.close();
      await successor?.stop();
    },
  };
}
