import { afterAll, beforeAll, describe, vi } from 'vitest';
import { startPostgres } from '../servers/postgres.ts';
import { sharedServer } from '../servers/shared.ts';
import type { TestServer } from '../servers/test-server.ts';
import { contractOfLedger, type OpenLedgerHarness } from '../stores/ledger-contract.ts';
import { createPlace, createPostgresHarness } from '../stores/postgres-fixture.ts';
import { clientLibraries, newInstallation, storesOf } from '../stores/redis-fixture.ts';
import { openLedger } from '../stores/redis-ledger-fixture.ts';
import { contractOfStores, type StoresHarness } from '../stores/stores-contract.ts';

// SQL and Lua are packed without their indentation and comments, which nobody sees who runs the sources
vi.mock('../../src/stores/postgres/postgres-stores.ts', () => importBuilt('postgres'));
vi.mock('../../src/stores/redis/redis-stores.ts', () => importBuilt('redis'));

function importBuilt(name: string): Promise<Record<string, unknown>> {
  return import(new URL(`../../dist/${name}.js`, import.meta.url).href);
}

const faults = 'what is built of it is what is broken with the sources';
const withoutFaults = { breakStore: faults, freeze: faults, slow: faults, failOver: faults };
const advance = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms + 2));

describe('the packed package in PostgreSQL', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startPostgres({ own: true });
  });
  afterAll(() => server.stop());

  contractOfStores((needs) => createPostgresHarness(server, needs), {});
  contractOfLedger(async (): Promise<OpenLedgerHarness> => {
    const place = await createPlace(server);
    const stores = place.open();
    await stores.migrate();
    return {
      ledger: stores.ledger,
      second: () => place.open().ledger,
      async now() {
        const [row] = await place.query('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms');
        return Number(row?.ms);
      },
      advance,
      sweepMs: 20_000,
      close: place.close,
    };
  }, withoutFaults);
});

describe('the packed package in Redis', () => {
  contractOfStores(async (): Promise<StoresHarness> => {
    const url = await sharedServer('redis');
    const installation = newInstallation();
    const opened = [storesOf('ioredis', url, { installation, pollMs: 200 })];
    return {
      stores: opened[0] as (typeof opened)[number],
      second() {
        const second = storesOf('ioredis', url, { installation, pollMs: 200 });
        opened.push(second);
        return second;
      },
      async close() {
        for (const stores of opened) await stores.close();
      },
    };
  }, withoutFaults);
  contractOfLedger(async (): Promise<OpenLedgerHarness> => {
    const url = await sharedServer('redis');
    const installation = newInstallation();
    const client = clientLibraries.ioredis(url);
    const opened = [openLedger(url, { installation })];
    return {
      ledger: (opened[0] as (typeof opened)[number]).ledger,
      second() {
        const second = openLedger(url, { installation });
        opened.push(second);
        return second.ledger;
      },
      async now() {
        const [seconds, micros] = await client.time();
        return Number(seconds) * 1_000 + Number(micros) / 1_000;
      },
      advance,
      sweepMs: 20_000,
      async close() {
        for (const { close } of opened) await close();
        client.disconnect();
      },
    };
  }, withoutFaults);
});
