import { afterAll, beforeAll, describe } from 'vitest';
import type { PostgresStoresOptions } from '../../src/stores/postgres/postgres-stores.ts';
import { startPostgres } from '../servers/postgres.ts';
import type { TestServer } from '../servers/test-server.ts';
import { contractOfLedger, type OpenLedgerHarness } from './ledger-contract.ts';
import { createPlace, type PostgresPlace } from './postgres-fixture.ts';
import { createTransactionPool } from './postgres-transaction-pool.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startPostgres({ own: true });
});
afterAll(() => server.stop());

async function createHarness(
  optionsOf: (place: PostgresPlace) => PostgresStoresOptions = () => ({}),
): Promise<OpenLedgerHarness> {
  const place = await createPlace(server);
  const open = () => place.open({ ledger: { deadlineMs: 2_000 }, ...optionsOf(place) });
  const stores = open();
  await stores.migrate();
  return {
    ledger: stores.ledger,
    second: () => open().ledger,
    async now() {
      const [row] = await place.query('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms');
      return Number(row?.ms);
    },
    // a timer may end one millisecond early
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 2)),
    deadlineMs: 2_000,
    async breakStore() {
      await place.proxy.refuse();
      return () => place.proxy.heal();
    },
    async freeze() {
      await server.freeze();
      return () => server.thaw();
    },
    close: place.close,
  };
}

describe('the ledger in PostgreSQL', () => {
  contractOfLedger(() => createHarness(), {}, 30_000);
});

describe('the ledger in PostgreSQL behind a pooler that shares connections by transaction', () => {
  contractOfLedger(
    () => createHarness(({ proxy }) => ({ pool: createTransactionPool(proxy.url) })),
    {},
    30_000,
  );
});
