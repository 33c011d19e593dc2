import type { Ledger, ReserveResult } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createLeasingLedger, type LeasingLedgerOptions } from '../../src/limits/leasing/leasing-ledger.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { createNetwork, scopeOf, spanAt } from './leasing-network.ts';

function createFixture(options: Partial<LeasingLedgerOptions> = {}) {
  const runtime = createVirtualRuntime();
  const shared = createMemoryLedger(runtime);
  const createNode = () => {
    const network = createNetwork(runtime, shared);
    const ledger = createLeasingLedger({ shared: network.ledger, runtime, ...options });
    return { network, ledger };
  };
  /** Waits for an answer in virtual time. */
  const answer = async <Value>(work: Value | Promise<Value>): Promise<Value> => {
    let isOver = false;
    const watched = Promise.resolve(work).finally(() => {
      isOver = true;
    });
    watched.catch(() => undefined);
    for (let turn = 0; turn < 1_000 && !isOver; turn++) await runtime.advanceAsync(1);
    return watched;
  };
  const stateOf = async (ledger: Ledger, key: string, amount: number, span = spanAt(0, undefined)) => {
    const [state] = await answer(ledger.peek([{ key, amount, span }]));
    return [state?.used, state?.held];
  };
  return { runtime, shared, answer, stateOf, createNode, ...createNode() };
}

/** `rate` requests a second for `seconds`, each settled after 20 ms with `used`. */
async function load(
  fixture: ReturnType<typeof createFixture>,
  {
    rate,
    seconds,
    hold,
    used,
    amount = 10_000_000,
  }: { rate: number; seconds: number; hold: number; used: number; amount?: number },
) {
  const { runtime, ledger } = fixture;
  const results: ReserveResult[] = [];
  const stepMs = 1_000 / rate;
  let due = 0;
  for (let sent = 0; sent < rate * seconds; sent++) {
    const id = `r${sent}/${runtime.monotonicMs()}`;
    const end = (result: ReserveResult) => {
      results.push(result);
      runtime.schedule(20, () => void ledger.settle(id, [used, used]));
    };
    const scopes = [scopeOf('organisation', amount, hold), scopeOf('team', amount, hold)];
    const result = ledger.reserve(id, scopes, 60_000);
    if (result instanceof Promise) result.then(end);
    else end(result);
    due += stepMs;
    if (due >= 5) {
      await runtime.advanceAsync(due);
      due = 0;
    }
  }
  return results;
}

/** Cuts the way to the shared ledger behind requests 50 ms apart. @returns the renewals before, and when memory last granted, in ms after */
async function lastGrantAfterCut(
  { ledger, network, answer, runtime }: ReturnType<typeof createFixture>,
  { requests, hold, untilMs }: { requests: number; hold: number; untilMs: number },
): Promise<{ renewals: number; lastMs: number }> {
  for (let index = 0; index < requests; index++) {
    await answer(ledger.reserve(`r${index}`, [scopeOf('k', 1_000_000, 10)], 60_000));
    ledger.settle(`r${index}`, [10]);
    await runtime.advanceAsync(50);
  }
  const renewals = network.calls.renew;
  network.isCut = true;
  let lastMs = 0;
  for (let ms = 100; ms <= untilMs; ms += 100) {
    await runtime.advanceAsync(100);
    const result = ledger.reserveInMemory(`m${ms}`, [scopeOf('k', 1_000_000, hold)], 60_000);
    if (result?.kind === 'granted') lastMs = ms;
  }
  return { renewals, lastMs };
}

describe('a leasing ledger', () => {
  it('decides at least 99 of 100 requests at steady load in memory, and gives the value itself', async () => {
    const fixture = createFixture();
    await load(fixture, { rate: 1_000, seconds: 2, hold: 1_000, used: 300, amount: 100_000_000 });
    const before = fixture.ledger.report();
    const calls = fixture.network.calls.reserve;
    await load(fixture, { rate: 1_000, seconds: 10, hold: 1_000, used: 300, amount: 100_000_000 });
    const after = fixture.ledger.report();
    const shared = after.sharedDecisions - before.sharedDecisions;
    expect(shared / 10_000).toBeLessThanOrEqual(0.01);
    expect(after.memoryDecisions - before.memoryDecisions).toBe(10_000 - shared);
    expect(fixture.network.calls.reserve - calls).toBeLessThan(100);
    const scopes = [scopeOf('organisation', 100_000_000, 1)];
    expect(fixture.ledger.reserve('now', scopes, 1_000)).not.toBeInstanceOf(Promise);
  });

  it('posts what was used within postMs, and gives everything back when idle', async () => {
    const fixture = createFixture({ postMs: 1_000, idleMs: 5_000 });
    const { runtime, shared, stateOf } = fixture;
    const results = await load(fixture, { rate: 500, seconds: 3, hold: 100, used: 70 });
    expect(results.every(({ kind }) => kind === 'granted')).toBe(true);
    await runtime.advanceAsync(1_100);
    expect((await stateOf(shared, 'organisation', 10_000_000))[0]).toBe(1_500 * 70);
    await runtime.advanceAsync(5_600);
    expect(await stateOf(shared, 'organisation', 10_000_000)).toEqual([1_500 * 70, 0]);
    expect(fixture.ledger.report()).toMatchObject({ slices: 0, open: 0, unsettled: 0, scopes: [] });
    await runtime.advanceAsync(20_000);
    expect(runtime.pending).toBe(0);
  });

  it('asks for exactly what a small or rare scope needs, one reserve and one settle for each request', async () => {
    const { ledger, network, answer, shared, stateOf, runtime } = createFixture();
    for (let index = 0; index < 5; index++) {
      const result = await answer(ledger.reserve(`r${index}`, [scopeOf('small', 10, 2)], 60_000));
      expect(result).toMatchObject({ kind: 'granted', scopes: [{ used: index, held: 2 }] });
      expect(await stateOf(shared, 'small', 10)).toEqual([index, 2]);
      ledger.settle(`r${index}`, [1]);
      await runtime.advanceAsync(5);
      expect(await stateOf(shared, 'small', 10)).toEqual([index + 1, 0]);
    }
    expect(network.calls).toMatchObject({ reserve: 5, settle: 5, renew: 0 });
  });

  it('holds all scopes or none when the shared ledger must be asked', async () => {
    const { ledger, answer, shared, stateOf, runtime } = createFixture();
    const scopes = [scopeOf('team', 100, 40), scopeOf('key', 30, 40)];
    expect(await answer(ledger.reserve('one', scopes, 60_000))).toMatchObject({
      kind: 'denied',
      deniedAt: 1,
      scopes: [
        { key: 'team', used: 0, held: 0 },
        { key: 'key', used: 0, held: 0 },
      ],
    });
    await runtime.advanceAsync(10);
    expect(await stateOf(shared, 'team', 100)).toEqual([0, 0]);
  });

  it('uses what it has left and asks only for the rest, so that nothing is denied that one node could admit', async () => {
    const { ledger, answer } = createFixture({ maxShare: 1, maxShareOfRest: 1 });
    for (let index = 0; index < 20; index++) {
      const result = await answer(ledger.reserve(`r${index}`, [scopeOf('k', 1_000, 50)], 60_000));
      expect(result.kind).toBe('granted');
    }
    const last = await answer(ledger.reserve('over', [scopeOf('k', 1_000, 1)], 60_000));
    expect(last).toMatchObject({ kind: 'denied', scopes: [{ used: 0, held: 1_000 }] });
  });

  it('admits exactly what fits of a thousand requests at once, with few round trips', async () => {
    const { ledger, network, answer } = createFixture();
    const answers = Array.from({ length: 1_000 }, (_, index) =>
      ledger.reserve(`r${index}`, [scopeOf('k', 700, 1)], 60_000),
    );
    const results = await answer(Promise.all(answers));
    expect(results.filter(({ kind }) => kind === 'granted')).toHaveLength(700);
    // 16 of them at once, since no slice is larger than a 16th
    expect(network.calls.reserve).toBeLessThan(24);
  });

  it('denies what waits at a full limit together, one round trip for many', async () => {
    const { ledger, network, answer } = createFixture();
    await answer(ledger.reserve('fills', [scopeOf('k', 10, 10)], 60_000));
    const before = network.calls.reserve;
    const answers = Array.from({ length: 500 }, (_, index) =>
      ledger.reserve(`r${index}`, [scopeOf('k', 10, 1)], 60_000),
    );
    const results = await answer(Promise.all(answers));
    expect(results.every(({ kind }) => kind === 'denied')).toBe(true);
    expect(network.calls.reserve - before).toBeLessThanOrEqual(3);
  });

  it('answers a repeated id with the first answer, while it is decided, held, and after', async () => {
    const { ledger, answer, shared, stateOf, runtime } = createFixture();
    const scopes = [scopeOf('k', 10, 6)];
    const first = ledger.reserve('one', scopes, 60_000);
    expect(ledger.reserve('one', scopes, 60_000)).toBe(first);
    const result = await answer(first);
    expect(await answer(ledger.reserve('one', scopes, 60_000))).toBe(result);
    const denied = await answer(ledger.reserve('two', scopes, 60_000));
    expect(denied.kind).toBe('denied');
    ledger.settle('one', [3]);
    ledger.settle('one', [9]);
    expect(await answer(ledger.reserve('one', scopes, 60_000))).toBe(result);
    expect(await answer(ledger.reserve('two', scopes, 60_000))).toBe(denied);
    await runtime.advanceAsync(10);
    expect(await stateOf(shared, 'k', 10)).toEqual([3, 0]);
  });

  it('counts in memory what never denies, and posts it', async () => {
    const { ledger, shared, stateOf, runtime, network } = createFixture();
    const scopes = [scopeOf('k', 10, 6, { mode: 'count' })];
    for (let index = 0; index < 100; index++) {
      const result = ledger.reserve(`r${index}`, scopes, 60_000);
      expect(result).toMatchObject({ kind: 'granted', scopes: [{ used: index * 2, held: 6 }] });
      ledger.settle(`r${index}`, [2]);
    }
    await runtime.advanceAsync(1_100);
    expect(await stateOf(shared, 'k', 10)).toEqual([200, 0]);
    expect(network.calls).toMatchObject({ reserve: 1, settle: 1 });
    await runtime.advanceAsync(10_000);
    expect(runtime.pending).toBe(0);
  });

  it('goes on posting what it counts after holds and charges whose sum is not exact', async () => {
    const { ledger, shared, stateOf, runtime } = createFixture();
    const count = (id: string, hold: number) =>
      ledger.reserve(id, [scopeOf('k', 10, hold, { mode: 'count' })], 600_000);
    for (const id of ['a', 'b']) count(id, Number.MAX_SAFE_INTEGER);
    for (const id of ['c', 'd', 'e']) count(id, 1);
    for (const id of ['a', 'b', 'c', 'd']) ledger.settle(id, [1]);
    await runtime.advanceAsync(20_000);
    ledger.settle('e', [1]);
    expect(ledger.report()).toMatchObject({ failed: 0, lost: 0 });
    await runtime.advanceAsync(2_000);
    expect(await stateOf(shared, 'k', 10)).toEqual([5, 0]);
  });

  it('posts a counted stream that ends after its bucket to the bucket it began in', async () => {
    const { ledger, shared, stateOf, runtime } = createFixture();
    const span = spanAt(runtime.now(), 60_000);
    ledger.reserve('stream', [scopeOf('k', 10, 6, { mode: 'count', span })], 600_000);
    await runtime.advanceAsync(70_000);
    ledger.settle('stream', [4]);
    await runtime.advanceAsync(2_000);
    expect(await stateOf(shared, 'k', 10, { ...span, buckets: [span.bucket] })).toEqual([4, 0]);
  });

  it('posts what is counted over a month while a stream is open that began in a minute that has ended', async () => {
    const { ledger, shared, stateOf, runtime } = createFixture();
    const month = spanAt(runtime.now(), 30 * 86_400_000);
    const both = () => [
      scopeOf('minute', 10, 1, { mode: 'count', span: spanAt(runtime.now(), 60_000) }),
      scopeOf('month', 10, 1, { mode: 'count', span: month }),
    ];
    ledger.reserve('stream', both(), 600_000);
    for (let second = 0; second < 120; second++) {
      ledger.reserve(`r${second}`, both(), 600_000);
      ledger.settle(`r${second}`, [1, 1]);
      await runtime.advanceAsync(1_000);
    }
    await runtime.advanceAsync(1_000);
    expect(await stateOf(shared, 'month', 10, month)).toEqual([120, 0]);
  });

  it('lets slots go without a charge, by settlement, by lease and by death', async () => {
    const { ledger, network, answer, shared, stateOf, runtime, createNode } = createFixture();
    const slot = [scopeOf('slots', 2, 1, { charge: 0 })];
    await answer(ledger.reserve('one', slot, 60_000));
    await answer(ledger.reserve('two', slot, 3_000));
    expect((await answer(ledger.reserve('three', slot, 60_000))).kind).toBe('denied');
    await runtime.advanceAsync(4_000);
    expect((await answer(ledger.reserve('four', slot, 60_000))).kind).toBe('granted');
    network.isDead = true;
    const other = createNode();
    expect((await answer(other.ledger.reserve('five', slot, 60_000))).kind).toBe('denied');
    await runtime.advanceAsync(11_500);
    expect((await answer(other.ledger.reserve('six', slot, 60_000))).kind).toBe('granted');
    expect(await stateOf(shared, 'slots', 2)).toEqual([0, 1]);
  });

  it('charges a reservation that expired here, and corrects it once by a late settlement', async () => {
    const { ledger, answer, shared, stateOf, runtime } = createFixture();
    const scopes = [scopeOf('k', 100, 60, { charge: 20 })];
    await answer(ledger.reserve('one', scopes, 2_000));
    await runtime.advanceAsync(3_000);
    expect(ledger.renew('one', 2_000)).toBe(false);
    expect(await stateOf(ledger, 'k', 100)).toEqual([20, 0]);
    ledger.settle('one', [15]);
    ledger.settle('one', [99]);
    await runtime.advanceAsync(2_000);
    expect(await stateOf(shared, 'k', 100)).toEqual([15, 0]);
    await answer(ledger.reserve('two', scopes, 2_000));
    await runtime.advanceAsync(70_000);
    expect(await stateOf(shared, 'k', 100)).toEqual([35, 0]);
  });

  it('charges nothing more of what expired and was corrected here when it dies', async () => {
    const { ledger, network, answer, shared, stateOf, runtime } = createFixture();
    await answer(ledger.reserve('runs on', [scopeOf('k', 100, 1, { charge: 1 })], 600_000));
    await answer(ledger.reserve('one', [scopeOf('k', 100, 60, { charge: 20 })], 2_000));
    await runtime.advanceAsync(3_000);
    ledger.renew('one', 2_000);
    ledger.settle('one', [15]);
    await runtime.advanceAsync(2_500);
    network.isDead = true;
    await runtime.advanceAsync(60_000);
    expect(await stateOf(shared, 'k', 100)).toEqual([16, 0]);
  });

  it('begins a new bucket with a fresh slice, and posts late settlements to the old one', async () => {
    const { ledger, answer, shared, stateOf, runtime } = createFixture();
    const scopes = (hold = 60) => [scopeOf('k', 100, hold, { span: spanAt(runtime.now(), 10_000, 2) })];
    const [first] = scopes();
    expect((await answer(ledger.reserve('one', scopes(), 60_000))).kind).toBe('granted');
    expect((await answer(ledger.reserve('two', scopes(), 60_000))).kind).toBe('denied');
    await runtime.advanceAsync(10_000);
    expect(
      await answer(ledger.reserve('three', [first as (typeof scopes)['prototype']], 60_000)),
    ).toMatchObject({
      kind: 'stale',
    });
    expect((await answer(ledger.reserve('three', scopes(41), 60_000))).kind).toBe('denied');
    expect((await answer(ledger.reserve('four', scopes(40), 60_000))).kind).toBe('granted');
    ledger.settle('one', [45]);
    ledger.settle('four', [5]);
    await runtime.advanceAsync(2_000);
    expect(await stateOf(shared, 'k', 100, spanAt(runtime.now(), 10_000, 2))).toEqual([50, 0]);
  });

  it('settles big slices around a long stream, so that little stays unused', async () => {
    const fixture = createFixture();
    const { ledger, shared, stateOf, runtime } = fixture;
    await load(fixture, { rate: 500, seconds: 2, hold: 100, used: 100 });
    expect(ledger.reserve('stream', [scopeOf('organisation', 10_000_000, 70)], 600_000)).toMatchObject({
      kind: 'granted',
    });
    await runtime.advanceAsync(8_000);
    expect(await stateOf(shared, 'organisation', 10_000_000)).toEqual([100_000, 70]);
    await runtime.advanceAsync(60_000);
    expect(await stateOf(shared, 'organisation', 10_000_000)).toEqual([100_000, 70]);
    ledger.settle('stream', [50]);
    await runtime.advanceAsync(1_000);
    expect(await stateOf(shared, 'organisation', 10_000_000)).toEqual([100_050, 0]);
  });

  it('gives room back as soon as those that asked for it are gone, also while the limit is all taken', async () => {
    const { ledger, answer, createNode, runtime } = createFixture();
    const { ledger: other } = createNode();
    const take = (node: Ledger, name: string, count: number) =>
      answer(
        Promise.all(
          Array.from({ length: count }, (_, index) =>
            node.reserve(`${name}${index}`, [scopeOf('slots', 100, 1, { charge: 0 })], 60_000),
          ),
        ),
      );
    const first = await take(ledger, 'first', 50);
    const second = await take(other, 'second', 50);
    expect([...first, ...second].filter(({ kind }) => kind === 'granted')).toHaveLength(100);
    for (let index = 0; index < 50; index++) if (index % 25) ledger.settle(`first${index}`, [0]);
    await runtime.advanceAsync(5);
    const [{ unused, bound } = { unused: 48, bound: 0 }] = ledger.report().scopes;
    expect(unused).toBeLessThanOrEqual(bound);
    const third = await take(other, 'third', 42);
    expect(third.filter(({ kind }) => kind === 'granted')).toHaveLength(42);
  });

  it('denies nothing that what a settlement has freed meanwhile has room for', async () => {
    const { ledger, answer, createNode, runtime } = createFixture();
    const { ledger: other } = createNode();
    const take = (node: Ledger, id: string, hold: number) =>
      node.reserve(id, [scopeOf('team', 1_600, hold)], 60_000);
    await answer(take(other, 'others', 1_000));
    await answer(take(ledger, 'running', 300));
    const asking = [take(ledger, 'first', 900), take(ledger, 'large', 700), take(ledger, 'small', 400)];
    // the first is denied; the large one asks, and the small one waits for its answer
    await runtime.advanceAsync(1.5);
    ledger.settle('running', [0]);
    const results = await answer(Promise.all(asking));
    expect(results.map(({ kind }) => kind)).toEqual(['denied', 'denied', 'granted']);
  });

  it('gives back what is left although a slice was settled whose renewal was yet to be sent', async () => {
    const { ledger, answer, runtime, shared, stateOf } = createFixture({ maxParallel: 1 });
    const startMs = runtime.monotonicMs();
    for (const id of ['ended', 'running'])
      await answer(ledger.reserve(id, [scopeOf('team', 100, 10)], 60_000));
    await runtime.advanceAsync(startMs + 2_990 - runtime.monotonicMs());
    ledger.renew('running', 60_000, [2]);
    // the renewals of both slices are due: one is under way, the other waits for it
    await runtime.advanceAsync(10.5);
    ledger.settle('ended', [10]);
    await runtime.advanceAsync(5);
    ledger.settle('running', [0]);
    await runtime.advanceAsync(20_000);
    expect(ledger.report()).toMatchObject({ slices: 0, unsettled: 0 });
    expect(await stateOf(shared, 'team', 100)).toEqual([10, 0]);
    expect(runtime.pending).toBe(0);
  });

  it('grants nothing in memory that would not be charged if its leases ran out', async () => {
    const { ledger, network, answer, createNode, runtime, shared, stateOf } = createFixture();
    const { ledger: other } = createNode();
    const scope = (hold: number, charge: number) => [scopeOf('team', 100, hold, { charge })];
    for (const id of ['ended', 'open']) await answer(ledger.reserve(id, scope(40, 4), 60_000));
    await runtime.advanceAsync(3_000);
    ledger.settle('ended', [4]);
    await runtime.advanceAsync(20);
    expect((await answer(ledger.reserve('next', scope(36, 36), 60_000))).kind).toBe('granted');
    network.frozenUntilMs = runtime.monotonicMs() + 15_000;
    await runtime.advanceAsync(14_000);
    // 4 that were told, 8 and 36 as they were charged last
    expect(await stateOf(shared, 'team', 100)).toEqual([48, 0]);
    expect((await answer(other.reserve('others', scope(53, 53), 60_000))).kind).toBe('denied');
    expect((await answer(other.reserve('fits', scope(52, 52), 60_000))).kind).toBe('granted');
    await runtime.advanceAsync(5_000);
    ledger.settle('open', [4]);
    ledger.settle('next', [36]);
    await runtime.advanceAsync(5_000);
    expect(await stateOf(shared, 'team', 100)).toEqual([44, 52]);
  });

  it('grants nothing in memory once its leases may have run out, with a margin for what is slow', async () => {
    const fixture = createFixture({ leaseMs: 10_000, leaseMarginMs: 2_000 });
    const { renewals, lastMs } = await lastGrantAfterCut(fixture, {
      requests: 100,
      hold: 1,
      untilMs: 15_000,
    });
    expect(renewals).toBeGreaterThan(0);
    expect(lastMs).toBeGreaterThan(4_000);
    expect(lastMs).toBeLessThanOrEqual(8_000);
  });

  it('keeps that margin with slices that were never renewed', async () => {
    const times = { leaseMs: 30_000, leaseMarginMs: 15_000, postMs: 60_000, idleMs: 60_000 };
    const fixture = createFixture(times);
    const { renewals, lastMs } = await lastGrantAfterCut(fixture, { requests: 20, hold: 0, untilMs: 31_000 });
    expect(renewals).toBe(0);
    expect(lastMs).toBeGreaterThan(10_000);
    expect(lastMs).toBeLessThanOrEqual(15_000);
  });

  it('trusts no charge while an older renewal may still arrive with another', async () => {
    const fixture = createFixture();
    const { answer, runtime, shared, stateOf } = fixture;
    const slow = createNetwork(runtime, shared, () => delayMs);
    let delayMs = 0.5;
    const ledger = createLeasingLedger({
      shared: { ...fixture.network.ledger, renew: slow.ledger.renew },
      runtime,
    });
    await answer(ledger.reserve('one', [scopeOf('team', 100, 50, { charge: 1 })], 60_000));
    // what lowers the charge is on its way for long, and overtaken
    delayMs = 2_200;
    await runtime.advanceAsync(1_100);
    delayMs = 0.5;
    ledger.renew('one', 60_000, [50]);
    await runtime.advanceAsync(3_000);
    slow.frozenUntilMs = runtime.monotonicMs() + 15_000;
    fixture.network.frozenUntilMs = slow.frozenUntilMs;
    await runtime.advanceAsync(12_000);
    expect(await stateOf(shared, 'team', 100)).toEqual([50, 0]);
  });

  it('gives room back at once of a limit that is all taken, though requests charge less than they hold', async () => {
    const { ledger, answer, createNode, runtime } = createFixture();
    const { ledger: other } = createNode();
    const take = (node: Ledger, id: string) =>
      answer(node.reserve(id, [scopeOf('team', 32_000, 4_000, { charge: 500 })], 600_000));
    for (let index = 0; index < 8; index++) {
      expect((await take(ledger, `r${index}`)).kind).toBe('granted');
      await runtime.advanceAsync(137);
    }
    await runtime.advanceAsync(5_000);
    expect((await take(other, 'early')).kind).toBe('denied');
    ledger.settle('r2', [0]);
    await runtime.advanceAsync(5);
    expect((await take(other, 'late')).kind).toBe('granted');
  });

  it('gives everything back on close, and leaves open reservations to their leases', async () => {
    const fixture = createFixture();
    const { ledger, shared, answer, stateOf, runtime } = fixture;
    await load(fixture, { rate: 500, seconds: 2, hold: 100, used: 100 });
    ledger.reserve('open', [scopeOf('organisation', 10_000_000, 70)], 600_000);
    await runtime.advanceAsync(30);
    await answer(ledger.close?.());
    expect(await stateOf(shared, 'team', 10_000_000)).toEqual([100_000, 0]);
    const before = await stateOf(shared, 'organisation', 10_000_000);
    expect((before[0] ?? 0) + (before[1] ?? 0)).toBeGreaterThanOrEqual(100_070);
    await runtime.advanceAsync(11_500);
    expect(await stateOf(shared, 'organisation', 10_000_000)).toEqual([100_070, 0]);
    await expect(answer(ledger.reserve('late', [scopeOf('k', 1, 1)], 1_000))).rejects.toThrow('closed');
    expect(runtime.pending).toBe(0);
  });

  it('posts all that is counted on close, what it has told nobody of yet among it', async () => {
    const { ledger, shared, answer, stateOf } = createFixture();
    const count = (id: string, key: string, amount: number, used: number) => {
      ledger.reserve(id, [scopeOf(key, amount, 6, { mode: 'count' })], 600_000);
      ledger.settle(id, [used]);
    };
    count('short', 'new', 10, 5);
    count('earlier', 'raised', 10, 3);
    count('later', 'raised', 20, 1);
    await answer(ledger.close?.());
    expect(await stateOf(shared, 'new', 10)).toEqual([5, 0]);
    expect(await stateOf(shared, 'raised', 20)).toEqual([4, 0]);
  });

  it('posts what a pool that was replaced had counted on close, where its successor has a place already', async () => {
    const { ledger, shared, answer, stateOf, runtime } = createFixture();
    for (const [amount, used] of [
      [10, 3],
      [20, 1],
    ] as const) {
      ledger.reserve(`${amount}`, [scopeOf('raised', amount, 6, { mode: 'count' })], 600_000);
      ledger.settle(`${amount}`, [used]);
    }
    await runtime.advanceAsync(15);
    await answer(ledger.close?.());
    expect(await stateOf(shared, 'raised', 20)).toEqual([4, 0]);
    expect(ledger.report().uncounted).toBe(0);
  });

  it('has what is counted and still open on close charged when its lease runs out', async () => {
    const { ledger, shared, answer, stateOf, runtime } = createFixture();
    for (const key of ['ended', 'open']) {
      ledger.reserve(key, [scopeOf(key, 10, 6, { mode: 'count' })], 600_000);
    }
    ledger.settle('ended', [5]);
    await runtime.advanceAsync(100);
    await answer(ledger.close?.());
    await runtime.advanceAsync(11_500);
    expect(await stateOf(shared, 'ended', 10)).toEqual([5, 0]);
    expect(await stateOf(shared, 'open', 10)).toEqual([6, 0]);
    expect(runtime.pending).toBe(0);
  });

  it('is closed within a few deadlines when the shared ledger stops answering, whatever is open', async () => {
    const { ledger, answer, network, runtime } = createFixture();
    for (let index = 0; index < 100; index++) {
      await answer(ledger.reserve(`r${index}`, [scopeOf(`k${index}`, 1e6, 10)], 600_000));
    }
    await runtime.advanceAsync(4_000);
    network.frozenUntilMs = Number.MAX_SAFE_INTEGER;
    for (let index = 0; index < 100; index++) await ledger.renew(`r${index}`, 600_000, [20]);
    let isClosed = false;
    ledger.close?.().then(() => {
      isClosed = true;
    });
    await runtime.advanceAsync(2_500);
    expect(isClosed).toBe(true);
    expect(ledger.report().failed).toBeGreaterThan(0);
  });

  it.each([
    ['leaseMs', { leaseMs: 1 }],
    ['maxShare', { maxShare: 0 }],
    ['maxShareOfRest', { maxShareOfRest: 2 }],
    ['postMs', { postMs: Number.NaN }],
    ['leaseMarginMs', { leaseMs: 1_000, leaseMarginMs: 900 }],
  ])('names the option that is out of range: %s', (option, options) => {
    expect(() => createFixture(options)).toThrow(new RegExp(`"${option}"`));
  });

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses a hold of %d', (hold) => {
    const { ledger } = createFixture();
    expect(() => ledger.reserve('r', [scopeOf('k', 10, hold)], 1_000)).toThrow(TypeError);
  });
});
