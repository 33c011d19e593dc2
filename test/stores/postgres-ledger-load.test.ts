import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.ts';
import { startPostgres } from '../servers/postgres.ts';
import { atEnd, killTwo, type Load, type LoadedStore, standStill, startLoad } from './ledger-load.ts';
import { createPlace } from './postgres-fixture.ts';

// the amount is small beside what is asked for, since those who find no slot soon have no rounds left
const load: Load = {
  ...{ clients: 16, rounds: 120, leaseMs: 1_000, amount: 2_000, slots: 40, deadlineMs: 60_000 },
};
const plenty = 1_000_000;
const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headgate'`;

async function start() {
  const server = await startPostgres({ own: true, durable: true });
  atEnd(server.stop);
  const place = await createPlace(server);
  atEnd(place.close);
  const { ledger, migrate } = place.open({ connectionString: server.url });
  await migrate();
  const store: LoadedStore = {
    backend: 'postgres',
    place: { url: server.url, schema: place.schema },
    ledger,
    async sample() {
      const rows = await place
        .query('SELECT scope, (used + held)::float8 AS sum FROM schema.ledger_counters')
        .catch(() => []);
      if (rows.length === 0) return undefined;
      const sums = (isSlots: boolean) =>
        rows.filter(({ scope }) => (scope === 'slots') === isSlots).map(({ sum }) => Number(sum));
      return { most: Math.max(0, ...sums(false)), slots: Math.max(0, ...sums(true)) };
    },
    async check() {
      const held = `SELECT count(*)::int AS count FROM schema.ledger_reservations WHERE state = 'held'`;
      expect(await place.query(held)).toEqual([{ count: 0 }]);
    },
  };
  return { server, store, place };
}

describe('the ledger in PostgreSQL under 4 processes with 16 clients each', () => {
  it('never exceeds a limit, counts each reservation once, and frees what two killed processes held', async () => {
    const { store } = await start();
    await killTwo(store, load);
  }, 300_000);

  it('never exceeds a limit while its connections are terminated again and again, and misses nothing', async () => {
    const { store, place } = await start();
    const running = await startLoad(store, { ...load, rounds: 40, amount: plenty, deadlineMs: 5_000 });
    let isOver = false;
    const terminating = (async () => {
      let terminated = 0;
      while (!isOver) {
        await eventually(async () => expect(await running.usedOf('organisation')).toBeGreaterThan(0));
        terminated += (await place.query(terminate)).length;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return terminated;
    })();
    atEnd(async () => {
      isOver = true;
      await terminating.catch(() => undefined);
    });
    await Promise.all(running.children.map(({ ended }) => ended));
    isOver = true;
    expect(await terminating).toBeGreaterThan(5);
    await running.expectTallies();
    expect(await running.balance()).toBeGreaterThan(0);
  }, 300_000);

  it('never exceeds a limit while the server stands still for 2 s, and is exact again after', async () => {
    const { server, store } = await start();
    await standStill(store, { ...load, rounds: 60, amount: plenty, deadlineMs: 500 }, server, 2_000);
  }, 300_000);
});
