import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '../../../adapters/node.ts';
import { startChild } from './children.ts';
import { openScaleSite, type Scale } from './scale-site.ts';
import { percentile } from './statistics.ts';

const batches = 25;
const requestsInBatch = 1_000;
const warmUp = 6_000;

/**
 * What a request costs this process from socket to socket, as a server pays for it: microseconds at the small site, and in
 * terms of that at the large one with a caller of every profile in turn.
 */
export async function measureOverHttp(small: Scale, large: Scale): Promise<{ us: number; inTurn: number }> {
  const client = await startChild('scale-client.ts', { type: 'start' } as never);
  const ask = async (site: string, count: number): Promise<void> => {
    const asked = client.next('asked');
    client.send({ type: 'ask', site, count });
    await asked;
  };
  const open = async (site: string, scale: Scale) => {
    const { gateway, calls } = openScaleSite(scale, client.url);
    const server = createServer({ keepAliveTimeout: 120_000 }, toNodeHandler(gateway));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client.send({
      type: 'callers',
      site,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      calls,
    });
    await ask(site, warmUp);
    return async () => {
      server.close();
      await gateway.close({ drainMs: 1 });
    };
  };
  const time = async (site: string): Promise<number> => {
    // what the site before has driven out of the processor's caches is no cost of this one
    await ask(site, requestsInBatch / 2);
    const startedAt = process.cpuUsage();
    await ask(site, requestsInBatch);
    const { user, system } = process.cpuUsage(startedAt);
    return (user + system) / requestsInBatch;
  };
  const closers = [await open('small', small), await open('large', large)];
  const us: number[] = [];
  const inTurn: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const before = await time('small');
    const cost = await time('large');
    const one = (before + (await time('small'))) / 2;
    us.push(one);
    inTurn.push(cost / one);
  }
  await client.stop();
  for (const close of closers) await close();
  return { us: percentile(us, 50), inTurn: percentile(inTurn, 50) };
}
