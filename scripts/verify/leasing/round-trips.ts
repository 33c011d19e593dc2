import { Redis } from 'ioredis';
import { request } from 'undici';
import type { Ledger } from '../../../src/limits/ledger.ts';
import { createRedisStores } from '../../../src/stores/redis/redis-stores.ts';
import { startStore } from '../limits/ledgers.ts';
import { startNode } from '../limits/node.ts';
import { createSite, usualAmounts } from '../limits/site.ts';
import { startUpstream } from '../limits/upstream.ts';
import { type Figure, toLeast, toMost } from '../propagation/figures.ts';
import type { Undo } from '../propagation/undo.ts';
import { toScopes } from './pace.ts';

const reservations = 500;
const requests = 50;

/** What the plain ledger on Redis asks of Redis for a request, and what of it anybody waits for. */
export async function measureRoundTrips(undo: Undo): Promise<readonly Figure[]> {
  const server = undo.keep(await startStore('redis'), (it) => it.stop());
  // no sweep in between
  const stores = createRedisStores({ url: server.url, ledger: { sweepMs: 3_600_000, deadlineMs: 5_000 } });
  undo.keep(stores, (it) => it.close());
  const redis = undo.keep(new Redis(server.url), async (it) => it.disconnect());
  const { ledger } = stores;
  const reserve = (id: string) => ledger.reserve(id, toScopes('a', 1, ledger.nowMs()), 30_000);
  // connects, and loads the scripts
  await reserve('first');
  await ledger.settle('first', []);
  const ids = Array.from({ length: reservations }, (_, number) => `one ${number}`);
  const before = await countScripts(redis);
  for (const id of ids) await reserve(id);
  const reserved = await countScripts(redis);
  await Promise.all(ids.map((id) => ledger.settle(id, [])));
  const settled = await countScripts(redis);
  return [
    toMost('redis: round trips of 500 reservations, one after the other', reserved - before, reservations),
    toLeast('redis: of them at least', reserved - before, reservations, 'the count counts'),
    toMost('redis: round trips of 500 settlements at once', settled - reserved, reservations / 10),
    toLeast(
      'redis: replies whole although no settlement is ever answered',
      await countReplies(ledger, undo),
      requests,
      `of ${requests}`,
    ),
  ];
}

/** Scripts are all that the ledger sends. */
async function countScripts(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/cmdstat_(?:evalsha|eval):calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  );
}

async function countReplies(ledger: Ledger, undo: Undo): Promise<number> {
  const upstream = undo.keep(await startUpstream(), (it) => it.close());
  const { config, clients } = createSite(upstream.url, usualAmounts);
  const silent: Ledger = {
    nowMs: () => ledger.nowMs(),
    reserve: (id, scopes, leaseMs) => ledger.reserve(id, scopes, leaseMs),
    renew: (id, leaseMs, charges) => ledger.renew(id, leaseMs, charges),
    settle: (id, used) => {
      void ledger.settle(id, used);
      return new Promise(() => undefined);
    },
    peek: (scopes) => ledger.peek(scopes),
  };
  const ignored = { journal: { write: () => undefined }, onScope: () => undefined };
  const node = undo.keep(await startNode(config, silent, ignored), (it) => it.cut());
  let whole = 0;
  for (let number = 0; number < requests; number++) {
    const isStream = number % 2 === 0;
    const messages = [{ role: 'user', content: `r${number} hello` }];
    const reply = await request(`${node.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${clients[number % clients.length]?.key}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ model: 'steady', max_tokens: 20, stream: isStream, messages }),
    });
    const text = await reply.body.text();
    if (reply.statusCode === 200 && (!isStream || text.trimEnd().endsWith('[DONE]'))) whole++;
  }
  return whole;
}
