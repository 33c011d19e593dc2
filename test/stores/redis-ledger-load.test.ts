import { describe, it } from 'vitest';
import { startRedis } from '../servers/redis.ts';
import { atEnd, killTwo, type Load, type LoadedStore, standStill } from './ledger-load.ts';
import { newInstallation } from './redis-fixture.ts';
import { openLedger } from './redis-ledger-fixture.ts';
import { connectTo } from './redis-raw.ts';

const load: Load = {
  ...{ clients: 50, rounds: 100, leaseMs: 1_000, amount: 12_000, slots: 150, deadlineMs: 60_000 },
};

async function start() {
  const server = await startRedis({ own: true });
  atEnd(server.stop);
  const raw = await connectTo(server.url);
  atEnd(raw.close);
  const installation = newInstallation();
  const { ledger, close } = openLedger(server.url, { installation });
  atEnd(close);
  const store: LoadedStore = {
    backend: 'redis',
    place: { url: server.url, installation },
    ledger,
    async sample() {
      const [most, slots] = (await raw.send(
        ...['HMGET', `headgate:{${installation}}:ledger:totals`, '0:organisation', '0:slots'],
      )) as (string | null)[];
      return { most: sumOf(most), slots: sumOf(slots) };
    },
  };
  return { server, store };
}

const sumOf = (bucket: string | null | undefined) =>
  (bucket ?? '0:0').split(':').reduce((sum, part) => sum + Number(part), 0);

describe('the ledger in Redis under 4 processes with 50 clients each', () => {
  it('never exceeds a limit, counts each reservation once, and frees what two killed processes held', async () => {
    const { store } = await start();
    await killTwo(store, load);
  }, 300_000);

  it('never exceeds a limit while the server stands still for 5 s, and is exact again after', async () => {
    const { server, store } = await start();
    await standStill(store, { ...load, rounds: 60, amount: 400_000, deadlineMs: 500 }, server, 5_000);
  }, 300_000);
});
