import { afterAll, beforeAll, describe } from 'vitest';
import type { PostgresStoresOptions } from '../../src/stores/postgres/postgres-stores.ts';
import type { LedgerNeed } from '../../src/testing/contracts/ledger.ts';
import { noDeadlineMs } from '../eventually.ts';
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
  needs: readonly LedgerNeed[],
  optionsOf: (place: PostgresPlace) => PostgresStoresOptions = () => ({}),
): Promise<OpenLedgerHarness> {
  const place = await createPlace(server);
  // short only where something freezes: a case of plenty is not to meet it on a busy machine
  const deadlineMs = needs.includes('freeze') ? 2_000 : noDeadlineMs;
  const open = () =>
    place.open({ deadlineMs, ledger: { deadlineMs, settleDeadlineMs: deadlineMs }, ...optionsOf(place) });
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
    deadlineMs,
    // ten times the default: what is swept late on a busy machine is no fault
    sweepMs: 20_000,
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
  contractOfLedger((needs) => createHarness(needs));
});

describe('the ledger in PostgreSQL behind a pooler that shares connections by transaction', () => {
  contractOfLedger(
    (needs) => createHarness(needs, ({ proxy }) => ({ pool: createTransactionPool(proxy.url) })),
    {},
  );
});
