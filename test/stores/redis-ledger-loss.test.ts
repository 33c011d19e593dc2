import { afterEach, describe, expect, it } from 'vitest';
import type { LedgerScope } from '../../src/limits/ledger.ts';
import type { RedisLedgerOptions } from '../../src/stores/redis/redis-ledger-options.ts';
import { eventually } from '../eventually.ts';
import { startRedis } from '../servers/redis.ts';
import { newInstallation } from './redis-fixture.ts';
import { openLedger } from './redis-ledger-fixture.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function setUp(appendonly = false) {
  const server = await startRedis({ own: true, appendonly });
  ends.push(server.stop);
  const installation = newInstallation();
  const errors: string[] = [];
  const open = (more: RedisLedgerOptions = {}) => {
    const opened = openLedger(server.url, {
      installation,
      ledger: { onError: (error) => void errors.push(error.message), ...more },
    });
    ends.push(opened.close);
    return opened.ledger;
  };
  const raw = async (...command: string[]) => {
    const connection = await connectTo(server.url);
    try {
      return await connection.send(...command);
    } finally {
      await connection.close();
    }
  };
  const key = (part: string) => `headgate:{${installation}}:ledger:${part}`;
  return { server, open, raw, key, errors };
}

const one: LedgerScope[] = [
  {
    key: 'k',
    amount: 100,
    hold: 30,
    charge: 30,
    mode: 'block',
    span: {
      bucket: 0,
      buckets: [0],
      fromMs: 0,
      untilMs: Number.POSITIVE_INFINITY,
      forgetMs: Number.POSITIVE_INFINITY,
    },
  },
];
const lost = { code: 'ledger_lost' };
const begun = [{ key: 'k', bucket: 0, used: 90, forgetMs: Number.POSITIVE_INFINITY }];

describe('a ledger that Redis has lost', () => {
  it('grants nothing after FLUSHALL, on any node, until the loss is acknowledged once', async () => {
    const { open, raw, errors } = await setUp();
    const [ledger, other] = [open(), open()];
    await ledger.reserve('one', one, 60_000);
    await other.reserve('two', one, 60_000);
    await raw('FLUSHALL');
    for (const id of ['a', 'b']) await expect(ledger.reserve(id, one, 60_000)).rejects.toMatchObject(lost);
    await expect(ledger.renew('one', 60_000)).rejects.toMatchObject(lost);
    await expect(ledger.peek(one)).rejects.toMatchObject(lost);
    await expect(other.reserve('c', one, 60_000)).rejects.toMatchObject(lost);
    const fresh = open();
    await expect(fresh.reserve('d', one, 60_000), 'one that never saw it').rejects.toMatchObject(lost);
    expect(ledger.state().isLost).toBe(true);
    expect(errors).toHaveLength(3);
    expect(await Promise.all([ledger.acknowledgeLoss(begun), other.acknowledgeLoss(begun)])).toContain(true);
    expect(await fresh.acknowledgeLoss()).toBe(false);
    for (const [at, each] of [ledger, other, fresh].entries()) {
      expect(await each.reserve(`full ${at}`, one, 60_000)).toMatchObject({
        kind: 'denied',
        scopes: [{ used: 90, held: 0 }],
      });
      expect(each.state().isLost).toBe(false);
    }
    // what was held before is not known any more, and takes nothing away
    await ledger.settle('one', [30]);
    expect(await ledger.peek(one)).toMatchObject([{ used: 90, held: 0 }]);
    expect(ledger.state().unknownSettlements).toBe(1);
  });

  it.each(['totals', 'forget', 'reservations', 'leases', 'ended'])(
    'is noticed when only its %s were evicted',
    async (part) => {
      const { open, raw, key } = await setUp();
      const ledger = open();
      await ledger.reserve('one', one, 60_000);
      expect(await raw('DEL', key(part))).toBe(1);
      await expect(ledger.reserve('two', one, 60_000)).rejects.toMatchObject(lost);
      await expect(open().reserve('three', one, 60_000)).rejects.toMatchObject(lost);
      expect(await ledger.acknowledgeLoss()).toBe(true);
      expect(await ledger.reserve('four', one, 60_000)).toMatchObject({
        kind: 'granted',
        scopes: [{ held: 30 }],
      });
    },
  );

  it('is noticed by who knew it when another has begun anew meanwhile, and stops that one too', async () => {
    const { open, raw } = await setUp();
    const ledger = open();
    await ledger.reserve('one', one, 60_000);
    await raw('FLUSHALL');
    const fresh = open();
    expect((await fresh.reserve('two', one, 60_000)).kind).toBe('granted');
    await expect(ledger.reserve('three', one, 60_000)).rejects.toMatchObject(lost);
    await expect(fresh.reserve('four', one, 60_000)).rejects.toMatchObject(lost);
  });

  it('is noticed when the server restarts without persistence, and not when it restarts with it', async () => {
    const volatile = await setUp();
    const ledger = volatile.open();
    await ledger.reserve('one', one, 60_000);
    await volatile.server.kill();
    await volatile.server.restart();
    await eventually(() => expect(ledger.reserve('two', one, 60_000)).rejects.toMatchObject(lost));

    const kept = await setUp(true);
    const durable = kept.open();
    await durable.reserve('one', one, 60_000);
    await kept.server.kill();
    await kept.server.restart();
    const found = await eventually(() => durable.reserve('two', one, 60_000));
    expect(found).toMatchObject({ kind: 'granted', scopes: [{ held: 60 }] });
    expect(kept.errors).toEqual([]);
  });

  it('is noticed when Redis went back by more than it may, and is only reported when by less', async () => {
    const { open, raw, key, errors } = await setUp();
    const ledger = open({ maxRewindMs: 5_000 });
    await ledger.reserve('one', one, 60_000);
    const last = Number(await raw('HGET', key('totals'), 'last'));
    await raw('HSET', key('totals'), 'last', String(last - 1_000));
    expect((await ledger.reserve('two', one, 60_000)).kind).toBe('granted');
    expect(errors).toEqual([expect.stringMatching(/went back by 1000 ms/)]);
    const now = Number(await raw('HGET', key('totals'), 'last'));
    await raw('HSET', key('totals'), 'last', String(now - 6_000));
    await expect(ledger.reserve('three', one, 60_000)).rejects.toMatchObject(lost);
  });

  it('is not taken for lost when nothing happens for a while but looks and sweeps', async () => {
    const { open } = await setUp();
    const ledger = open({ maxRewindMs: 0, sweepMs: 20 });
    await ledger.reserve('one', one, 60_000);
    for (let round = 0; round < 10; round++) {
      await ledger.peek(one);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await ledger.reserve('two', one, 60_000)).kind).toBe('granted');
  });

  it('is rebuilt by itself from what is told, by one of the nodes, and again when that fails', async () => {
    const { open, raw, errors } = await setUp();
    let asked = 0;
    const rebuild = () => {
      if (++asked === 1) throw new Error('records cannot be read');
      return begun;
    };
    const nodes = [open({ rebuild }), open({ rebuild })];
    for (const [at, node] of nodes.entries()) await node.reserve(`one ${at}`, one, 60_000);
    await raw('FLUSHALL');
    await expect(nodes[0]?.reserve('two', one, 60_000)).rejects.toMatchObject(lost);
    await eventually(async () => {
      for (const node of nodes) expect(await node.peek(one)).toMatchObject([{ used: 90, held: 0 }]);
    });
    expect(errors).toContain('records cannot be read');
    expect(await nodes[1]?.reserve('three', one, 60_000)).toMatchObject({ kind: 'denied' });
  });

  it('may be refused from the beginning where nothing is in Redis', async () => {
    const { open } = await setUp();
    const ledger = open({ whenEmpty: 'refuse' });
    await expect(ledger.reserve('one', one, 60_000)).rejects.toMatchObject(lost);
    expect(await ledger.acknowledgeLoss()).toBe(true);
    expect((await ledger.reserve('one', one, 60_000)).kind).toBe('granted');
  });
});
