import { afterAll, beforeAll, describe } from 'vitest';
import type { StoreNeed } from '../../src/testing/contracts/store-case.ts';
import { findPgbouncer, type Pgbouncer, startPgbouncer } from '../servers/pgbouncer.ts';
import { startPostgres } from '../servers/postgres.ts';
import type { TestServer } from '../servers/test-server.ts';
import { createPostgresHarness } from './postgres-fixture.ts';
import { createTransactionPool } from './postgres-transaction-pool.ts';
import { contractOfStores } from './stores-contract.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startPostgres({ own: true });
});
afterAll(() => server.stop());

describe('the stores in PostgreSQL', () => {
  contractOfStores((needs) => createPostgresHarness(server, needs), {});
});

describe('the stores in PostgreSQL behind a pooler that shares connections by transaction', () => {
  const create = (needs: readonly StoreNeed[]) =>
    createPostgresHarness(server, needs, ({ proxy }) => ({
      pool: createTransactionPool(proxy.url),
      pollMs: 100,
    }));
  contractOfStores(create, {});
});

const program = findPgbouncer();

describe.skipIf(program === undefined)(
  `the stores in PostgreSQL behind pgbouncer in transaction mode${program ? '' : ' (left out: install the package pgbouncer)'}`,
  () => {
    let pooler: Pgbouncer;
    beforeAll(async () => {
      pooler = await startPgbouncer(program as string, server.url);
    });
    afterAll(() => pooler?.stop());

    const create = (needs: readonly StoreNeed[]) =>
      createPostgresHarness(server, needs, () => ({ pollMs: 100 }), pooler);
    contractOfStores(create, {
      failOver: 'the pooler would have to be told; without one these cases run above',
    });
  },
);
