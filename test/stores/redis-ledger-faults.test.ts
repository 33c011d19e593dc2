import { afterEach, describe, expect, it } from 'vitest';
import type { LedgerScope, Span } from '../../src/limits/ledger.ts';
import { forever } from '../../src/limits/window-span.ts';
import { createRuntime } from '../../src/runtime.ts';
import type { RedisLedgerOptions } from '../../src/stores/redis/redis-ledger-options.ts';
import { eventually } from '../eventually.ts';
import { startFaultProxy } from '../servers/fault-proxy.ts';
import { startRedis } from '../servers/redis.ts';
import { newInstallation } from './redis-fixture.ts';
import { openLedger } from './redis-ledger-fixture.ts';
import { connectTo } from './redis-raw.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function setUp(options: RedisLedgerOptions = {}, parameters: readonly string[] = []) {
  const server = await startRedis({ own: true, arguments: parameters });
  const proxy = await startFaultProxy(server.url);
  const raw = await connectTo(server.url);
  const installation = newInstallation();
  const errors: string[] = [];
  const open = (more: RedisLedgerOptions = {}) => {
    const opened = openLedger(proxy.url, {
      installation,
      ledger: { onError: (error) => void errors.push(error.message), ...options, ...more },
    });
    ends.push(opened.close);
    return opened.ledger;
  };
  ends.push(server.stop, raw.close, proxy.close);
  const key = (part: string) => `headgate:{${installation}}:ledger:${part}`;
  return { server, proxy, raw, open, key, errors };
}

const scope = (key: string, more: Partial<LedgerScope> = {}): LedgerScope => ({
  key,
  amount: 1_000,
  hold: 100,
  charge: 60,
  mode: 'block',
  span: forever,
  ...more,
});
const one = [scope('k')];
const isEvalsha = (chunk: Buffer) => chunk.includes('EVALSHA');

describe('a ledger in Redis', () => {
  it('makes one round trip for a reservation, and one for settlements that come together', async () => {
    const { raw, open } = await setUp({ sweepMs: 3_600_000 });
    const ledger = open();
    await ledger.reserve('first', one, 60_000);
    await ledger.settle('first', [1]);
    const commands = async () => {
      // what a script calls is counted by its own name; scripts themselves are what was sent
      const stats = String(await raw.send('INFO', 'commandstats'));
      const count = (name: string) =>
        Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
      return { evalsha: count('evalsha'), eval: count('eval') };
    };
    const before = await commands();
    for (let index = 0; index < 20; index++) await ledger.reserve(`r${index}`, [scope(`k${index}`)], 60_000);
    const reserved = await commands();
    expect(reserved).toEqual({ evalsha: before.evalsha + 20, eval: before.eval });
    await Promise.all(Array.from({ length: 20 }, (_, index) => ledger.settle(`r${index}`, [50])));
    expect(await commands()).toEqual({ evalsha: reserved.evalsha + 1, eval: reserved.eval });
  });

  it('keeps numbers exact up to 2^53 - 1, and never writes -0', async () => {
    const { raw, open, key } = await setUp();
    const ledger = open();
    const most = Number.MAX_SAFE_INTEGER;
    const big = [scope('big', { amount: Number.POSITIVE_INFINITY, hold: most, charge: most })];
    await ledger.reserve('big', big, 60_000);
    expect(await raw.send('HGET', key('totals'), '0:big')).toBe('0:9007199254740991');
    const over = [scope('big', { mode: 'count', hold: 1 })];
    expect((await ledger.reserve('over', over, 60_000)).kind).toBe('granted');
    expect(await raw.send('HGET', key('totals'), '0:big')).toBe('0:9007199254740991');
    await ledger.settle('big', [most - 1]);
    expect(await ledger.peek(big)).toEqual([
      { key: 'big', used: most - 1, held: 0, amount: Number.POSITIVE_INFINITY },
    ]);
    const span: Span = { ...forever, bucket: 7, buckets: [7] };
    const nothing = [
      scope('zero', { hold: 0, charge: 0, span }),
      scope('minus', { hold: -0, charge: -0, span }),
    ];
    expect(await ledger.reserve('nothing', nothing, 60_000)).toMatchObject({ kind: 'granted' });
    expect(await ledger.renew('nothing', 1, [-0, 0])).toBe(true);
    await eventually(async () => {
      expect(await ledger.renew('nothing', 1)).toBe(false);
    });
    await ledger.settle('nothing', [-0, 0]);
    expect(await raw.send('HMGET', key('totals'), '7:zero', '7:minus')).toEqual(['0:0', '0:0']);
  });

  it('keeps keys and ids apart that are not well-formed text', async () => {
    const { open } = await setUp();
    const ledger = open();
    const keys = ['\ud800', '\ud801', '\ufffd', '"\\ud800"', 'a\0b', 'a\0c', 'epoch', 'last\n1'];
    for (const [at, key] of keys.entries()) await ledger.reserve(key, [scope(key, { hold: at + 1 })], 60_000);
    const states = await ledger.peek(keys.map((key) => scope(key)));
    expect(states.map(({ held }) => held)).toEqual(keys.map((_, at) => at + 1));
    const again = await ledger.reserve('\ud800', [scope('other')], 60_000);
    expect(again).toEqual({ kind: 'granted', scopes: [{ key: '\ud800', used: 0, held: 1, amount: 1_000 }] });
  });

  it('loads its scripts again when the server has forgotten them', async () => {
    const { raw, open } = await setUp();
    const ledger = open();
    await ledger.reserve('one', one, 60_000);
    await raw.send('SCRIPT', 'FLUSH');
    await ledger.settle('one', [10]);
    expect((await ledger.reserve('two', one, 60_000)).kind).toBe('granted');
    expect(await ledger.peek(one)).toMatchObject([{ used: 10, held: 100 }]);
  });

  it('forgets buckets when nobody needs them any more, and ended ids by their age and number', async () => {
    const { raw, open, key } = await setUp({ sweepMs: 50, rememberDeniedMs: 1_000, maxRemembered: 10 });
    const ledger = open();
    await ledger.peek(one);
    const nowMs = ledger.nowMs();
    const span: Span = { bucket: 7, buckets: [7], fromMs: 0, untilMs: nowMs + 60_000, forgetMs: nowMs + 400 };
    await ledger.reserve('ended', [scope('gone', { span })], 60_000);
    await ledger.settle('ended', [5]);
    await ledger.reserve('open', [scope('held', { span })], 60_000);
    await ledger.reserve('denied', [scope('full', { amount: 0 })], 60_000);
    for (let index = 0; index < 30; index++)
      await ledger.reserve(`r${index}`, one, 60_000).then(() => ledger.settle(`r${index}`, [1]));
    await eventually(async () => {
      expect(await raw.send('HMGET', key('totals'), '7:gone', '7:held')).toEqual([null, '0:100']);
      expect(await raw.send('ZCARD', key('ended'))).toBe(11);
      expect(await raw.send('HEXISTS', key('reservations'), ':denied')).toBe(0);
    });
    // ids that are held or remembered, and the entry that stays
    expect(await raw.send('HLEN', key('reservations'))).toBe(12);
    await ledger.settle('open', [7]);
    expect(await ledger.peek([scope('held', { span })])).toMatchObject([{ used: 7, held: 0 }]);
  });

  it('keeps no bucket without an end that nothing is in, and has it again for what is found out late', async () => {
    const { raw, open, key } = await setUp({ sweepMs: 50 });
    const ledger = open();
    const slot = (name: string) => scope(name, { charge: 0 });
    await ledger.reserve('settled', [slot('run 1'), scope('budget')], 60_000);
    await ledger.settle('settled', [0, 30]);
    await ledger.reserve('first', [slot('run 2')], 60_000);
    await ledger.reserve('late', [slot('run 2')], 100);
    await ledger.settle('first', []);
    const stored = () => raw.send('HMGET', key('totals'), '0:run 1', '0:budget', '0:run 2');
    await eventually(async () => expect(await stored()).toEqual([null, '30:0', null]));
    await ledger.settle('late', [7]);
    expect(await stored()).toEqual([null, '30:0', '7:0']);
    expect(await ledger.reserve('next', [slot('run 1'), slot('run 2')], 60_000)).toMatchObject({
      scopes: [
        { used: 0, held: 100 },
        { used: 7, held: 100 },
      ],
    });
    expect(ledger.state().isLost).toBe(false);
  });

  it('expires what a node held that is gone, without any request', async () => {
    const { raw, open, key } = await setUp({ sweepMs: 50 });
    const ledger = open();
    for (let index = 0; index < 9; index++) await ledger.reserve(`r${index}`, one, 100);
    await eventually(async () => expect(await raw.send('HGET', key('totals'), '0:k')).toBe('540:0'));
    await ledger.settle('r3', [10]);
    await ledger.settle('r3', [99]);
    expect(await raw.send('HGET', key('totals'), '0:k')).toBe('490:0');
  });

  it('grants what has expired within the call, however much has', async () => {
    const { open } = await setUp({ sweepMs: 3_600_000 });
    const ledger = open();
    const slot = [scope('slots', { amount: 500, hold: 1, charge: 0 })];
    for (let index = 0; index < 500; index++) await ledger.reserve(`r${index}`, slot, 1_000);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const all = [scope('slots', { amount: 500, hold: 500, charge: 0 })];
    expect((await ledger.reserve('all', all, 60_000)).kind).toBe('granted');
  });

  it('takes the time from the server, also where its own clock is ten minutes off', async () => {
    const server = await startRedis();
    ends.push(server.stop);
    const runtime = createRuntime();
    for (const offMs of [-600_000, 600_000]) {
      const opened = openLedger(server.url, {
        runtime: { ...runtime, now: () => runtime.now() + offMs },
      });
      ends.push(opened.close);
      // nothing is known yet but its own
      expect(Math.abs(opened.ledger.nowMs() - Date.now() - offMs)).toBeLessThan(60_000);
      let last = 0;
      for (let round = 0; round < 20; round++) {
        await opened.ledger.peek(one);
        const nowMs = opened.ledger.nowMs();
        expect(Math.abs(nowMs - Date.now())).toBeLessThan(60_000);
        expect(nowMs).toBeGreaterThanOrEqual(last);
        last = nowMs;
      }
    }
  });
});

describe('a ledger in a Redis that fails', () => {
  it('reserves and settles exactly once when the connection is cut between a command and its reply', async () => {
    const { proxy, open, errors } = await setUp();
    const ledger = open();
    await ledger.reserve('first', one, 60_000);
    await ledger.settle('first', [1]);
    let lost = proxy.loseAnswer(isEvalsha);
    expect(await ledger.reserve('one', one, 60_000)).toMatchObject({
      kind: 'granted',
      scopes: [{ held: 100 }],
    });
    await lost;
    await new Promise((resolve) => setTimeout(resolve, 150));
    lost = proxy.loseAnswer(isEvalsha);
    await ledger.settle('one', [40]);
    await lost;
    expect(await ledger.peek(one)).toMatchObject([{ used: 41, held: 0 }]);
    expect(errors).toEqual([]);
  });

  it('does not make a reservation any more whose caller was told that it failed', async () => {
    const { server, raw, open, key } = await setUp({ deadlineMs: 2_000 });
    const ledger = open();
    await ledger.reserve('first', one, 60_000);
    await server.freeze();
    const startMs = performance.now();
    await expect(ledger.reserve('late', one, 60_000)).rejects.toMatchObject({ code: 'late' });
    // not the minute that a connection may be silent
    expect(performance.now() - startMs).toBeLessThan(30_000);
    await server.thaw();
    await eventually(() => ledger.peek(one));
    expect(await raw.send('HEXISTS', key('reservations'), ':late')).toBe(0);
    expect(await raw.send('HGET', key('totals'), '0:k')).toBe('0:100');
  });

  it('keeps settlements while Redis is away, makes them once when it is back, and keeps nobody waiting', async () => {
    const { proxy, open, errors } = await setUp();
    const ledger = open();
    const scopes = [scope('k', { amount: 1_000_000 })];
    for (let index = 0; index < 200; index++) await ledger.reserve(`r${index}`, scopes, 600_000);
    await proxy.refuse();
    const startMs = performance.now();
    await Promise.all(Array.from({ length: 200 }, (_, index) => ledger.settle(`r${index}`, [index])));
    // not the minute that a settlement may take
    expect(performance.now() - startMs).toBeLessThan(30_000);
    expect(ledger.state().pendingSettlements).toBe(200);
    await ledger.settle('r7', [99_999]);
    expect(errors).toHaveLength(1);
    await proxy.heal();
    await eventually(() => expect(ledger.state().pendingSettlements).toBe(0));
    expect(await ledger.peek(scopes)).toMatchObject([{ used: 19_900, held: 0 }]);
    expect(ledger.state()).toMatchObject({ givenUpSettlements: 0, unknownSettlements: 0 });
  });

  it('gives up settlements above the bound and at the end, and tells how many', async () => {
    const given: number[] = [];
    const { proxy, open } = await setUp({
      maxPendingSettlements: 20,
      closeDeadlineMs: 200,
      onError: (_, givenUp) => void given.push(givenUp),
    });
    const ledger = open();
    await ledger.reserve('first', one, 60_000);
    await proxy.refuse();
    const settling = Array.from({ length: 50 }, (_, index) => ledger.settle(`r${index}`, [1]));
    const ended = await Promise.allSettled(settling);
    expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(30);
    expect(ledger.state()).toMatchObject({ pendingSettlements: 20, givenUpSettlements: 30 });
    await ledger.close();
    expect(ledger.state()).toMatchObject({ pendingSettlements: 0, givenUpSettlements: 50 });
    expect(given.reduce((sum, count) => sum + count, 0)).toBe(50);
    await expect(ledger.settle('after', [1])).rejects.toMatchObject({ code: 'closed' });
  });

  it('makes what waits before it closes', async () => {
    const { raw, open, key } = await setUp();
    const ledger = open();
    const scopes = [scope('k', { amount: 1_000_000 })];
    for (let index = 0; index < 150; index++) await ledger.reserve(`r${index}`, scopes, 600_000);
    for (let index = 0; index < 150; index++) void ledger.settle(`r${index}`, [2]);
    await ledger.close();
    expect(await raw.send('HGET', key('totals'), '0:k')).toBe('300:0');
    await expect(ledger.reserve('after', one, 1_000)).rejects.toMatchObject({ code: 'closed' });
  });

  it('names a replica and a full memory, changes nothing then, and still settles without memory', async () => {
    const { raw, open } = await setUp();
    const ledger = open();
    await ledger.reserve('one', one, 600_000);
    await raw.send('CONFIG', 'SET', 'maxmemory', '1');
    await expect(ledger.reserve('two', one, 60_000)).rejects.toMatchObject({ code: 'OOM' });
    await ledger.settle('one', [30]);
    expect(await ledger.peek(one)).toMatchObject([{ used: 30, held: 0 }]);
    await raw.send('CONFIG', 'SET', 'maxmemory', '0');
    await ledger.reserve('three', one, 600_000);
    await raw.send('REPLICAOF', '127.0.0.1', '1');
    await expect(ledger.reserve('four', one, 60_000)).rejects.toMatchObject({ code: 'READONLY' });
    await ledger.settle('three', [5]);
    await raw.send('REPLICAOF', 'NO', 'ONE');
    await eventually(async () => expect(await ledger.peek(one)).toMatchObject([{ used: 35, held: 0 }]));
  });

  it('changes nothing when another program has written to its keys', async () => {
    const { raw, open, key } = await setUp({ closeDeadlineMs: 100 });
    const ledger = open();
    const two = [scope('fine'), scope('spoilt')];
    await ledger.reserve('one', two, 60_000);
    await raw.send('HSET', key('totals'), '0:spoilt', 'nonsense');
    await expect(ledger.reserve('two', two, 60_000)).rejects.toMatchObject({ code: 'WRONGTYPE' });
    await raw.send('HSET', key('totals'), '0:spoilt', '0:100');
    expect(await ledger.peek(two)).toMatchObject([{ held: 100 }, { held: 100 }]);
    await raw.send('HSET', key('totals'), '0:spoilt', '0:3');
    await ledger.settle('one', [1, 1]);
    // what is held is less than what a reservation holds: nothing of it can be trusted
    await expect(ledger.reserve('three', two, 60_000)).rejects.toMatchObject({ code: 'ledger_lost' });
  });
});
