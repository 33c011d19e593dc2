import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { LedgerScope } from '../../src/limits/ledger.ts';
import { forever } from '../../src/limits/window-span.ts';
import type { RedisLedger } from '../../src/stores/redis/redis-ledger.ts';
import { createRedisStores } from '../../src/stores/redis/redis-stores.ts';
import { eventually } from '../eventually.ts';
import { startRedis } from '../servers/redis.ts';
import { clientLibraries } from './redis-fixture.ts';
import { openLedger } from './redis-ledger-fixture.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The command in the docstring of `createRedisLedger`, as its words. */
function documentedUser(): string[] {
  const source = readFileSync(new URL('../../src/stores/redis/redis-ledger.ts', import.meta.url), 'utf8');
  const text = /(ACL SETUSER headgate-ledger[^`]*)```/.exec(source)?.[1] ?? '';
  return text.replace(/^ \*/gm, '').trim().split(/\s+/);
}

const installation = 'default';
const options = {
  installation,
  ledger: {
    sweepMs: 20,
    rememberMs: 1_000,
    rememberDeniedMs: 1_000,
    settleDeadlineMs: 300,
    closeDeadlineMs: 50,
  },
};

/** Everything that a ledger can do, once. */
async function doEverything(ledger: RedisLedger, empty: () => Promise<unknown>): Promise<void> {
  await ledger.peek([]);
  const scope = (forgetMs: number): LedgerScope => ({
    key: 'k',
    amount: 2,
    hold: 1,
    charge: 1,
    mode: 'block',
    span: { bucket: 1, buckets: [1], fromMs: 1, untilMs: 9e15, forgetMs },
  });
  const wanted = [scope(Date.now() + 300)];
  expect((await ledger.reserve('one', wanted, 60_000)).kind).toBe('granted');
  expect((await ledger.reserve('two', wanted, 100)).kind).toBe('granted');
  expect((await ledger.reserve('three', wanted, 60_000)).kind).toBe('denied');
  expect(await ledger.renew('one', 60_000)).toBe(true);
  await ledger.settle('one', [1]);
  expect(ledger.state().pendingSettlements).toBe(0);
  // the lease of the other, the bucket and the ids are swept
  await eventually(async () => {
    expect(await ledger.peek(wanted)).toMatchObject([{ used: 0, held: 0 }]);
    expect((await ledger.reserve('three', wanted, 60_000)).kind).toBe('granted');
  });
  await empty();
  await expect(ledger.peek(wanted)).rejects.toMatchObject({ code: 'ledger_lost' });
  expect(await ledger.acknowledgeLoss()).toBe(true);
}

describe.each(['ioredis', 'redis'] as const)(
  'a Redis user with the rights that are documented for the ledger, through %s',
  (library) => {
    it('may do everything that the ledger does, and needs every right for it', async () => {
      const server = await startRedis({ own: true });
      const raw = await connectTo(server.url);
      ends.push(server.stop, raw.close);
      const url = server.url.replace('redis://', 'redis://headgate-ledger:password@');
      const command = documentedUser();
      const rights = command.filter((word) => /^\+/.test(word));
      expect(rights.length).toBeGreaterThan(12);
      const needless: string[] = [];
      for (const without of [undefined, ...rights]) {
        await raw.send('FLUSHALL');
        await raw.send('SCRIPT', 'FLUSH');
        await raw.send('ACL', 'DELUSER', 'headgate-ledger');
        await raw.send(...command.filter((word) => word !== without));
        const opened = openLedger(url, { ...options, library });
        const doing = doEverything(opened.ledger, () => raw.send('FLUSHALL'));
        if (without === undefined) await doing;
        else {
          await doing.then(
            () => needless.push(without),
            () => undefined,
          );
        }
        await opened.close();
      }
      expect(needless).toEqual([]);
    });
  },
);

describe('a Redis user who lacks a right that a reservation writes with', () => {
  it('leaves nothing half done, at the beginning and when the right is taken away', async () => {
    const server = await startRedis({ own: true });
    const raw = await connectTo(server.url);
    ends.push(server.stop, raw.close);
    const url = server.url.replace('redis://', 'redis://headgate-ledger:password@');
    const command = documentedUser();
    const wanted: LedgerScope[] = [
      { key: 'k', amount: 10, hold: 1, charge: 1, mode: 'block', span: forever },
    ];
    await raw.send(...command.filter((word) => word !== '+zadd'));
    const opened = openLedger(url, options);
    ends.push(opened.close);
    await expect(opened.ledger.reserve('one', wanted, 60_000)).rejects.toMatchObject({ code: 'NOPERM' });
    expect(await raw.send('DBSIZE')).toBe(0);
    await raw.send(...command);
    const { ledger } = opened;
    await ledger.reserve('two', wanted, 60_000);
    for (const right of ['zadd', 'hset']) {
      await raw.send('ACL', 'SETUSER', 'headgate-ledger', `-${right}`);
      await expect(ledger.reserve(`without ${right}`, wanted, 50)).rejects.toMatchObject({ code: 'NOPERM' });
      await raw.send('ACL', 'SETUSER', 'headgate-ledger', `+${right}`);
      expect(await ledger.peek(wanted), right).toMatchObject([{ used: 0, held: 1 }]);
    }
    const leases = 'headgate:{default}:ledger:leases';
    await eventually(async () => expect(await raw.send('ZCARD', leases)).toBe(2));
    expect(await ledger.peek(wanted)).toMatchObject([{ used: 0, held: 1 }]);
  });
});

describe('a Redis user with the rights of the stores and those that the ledger needs besides', () => {
  it('may use the ledger', async () => {
    const server = await startRedis({ own: true });
    const raw = await connectTo(server.url);
    ends.push(server.stop, raw.close);
    const source = readFileSync(new URL('../../src/stores/redis/redis-stores.ts', import.meta.url), 'utf8');
    const text = /(ACL SETUSER headgate[^`]*)```/.exec(source)?.[1] ?? '';
    const besides = /The ledger also needs `([^`]*)`/.exec(source)?.[1] ?? '';
    await raw.send(...text.replace(/^ \*/gm, '').trim().split(/\s+/), ...besides.split(' '));
    const url = server.url.replace('redis://', 'redis://headgate:password@');
    const stores = createRedisStores({ client: clientLibraries.ioredis(url), ...options });
    ends.push(stores.close);
    await doEverything(stores.ledger, () => raw.send('FLUSHALL'));
  });
});
