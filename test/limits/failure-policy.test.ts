import type { Ledger, LedgerScope, ReserveResult } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import {
  createFailurePolicy,
  type FailurePolicyChange,
  type FailurePolicyOptions,
} from '../../src/limits/failure/failure-policy.ts';
import { createLeasingLedger } from '../../src/limits/leasing/leasing-ledger.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { RedisStoreError } from '../../src/stores/redis/redis-error.ts';
import { createNetwork, scopeOf, spanAt } from './leasing-network.ts';

function createFixture(
  options: Partial<FailurePolicyOptions> = {},
  isLeasing = false,
  delayMs: number | undefined = undefined,
) {
  const runtime = createVirtualRuntime();
  const shared = createMemoryLedger(runtime);
  const network = createNetwork(runtime, shared, delayMs === undefined ? undefined : () => delayMs);
  const changes: FailurePolicyChange[] = [];
  const leasing = createLeasingLedger({ shared: network.ledger, runtime });
  const policy = createFailurePolicy({
    ledger: isLeasing ? leasing : network.ledger,
    runtime,
    onChange: (change) => changes.push(change),
    ...options,
  });
  /** Waits for an answer in virtual time. */
  const answer = async <Value>(work: Value | Promise<Value>): Promise<Value> => {
    let isOver = false;
    const watched = Promise.resolve(work).finally(() => {
      isOver = true;
    });
    watched.catch(() => undefined);
    for (let turn = 0; turn < 2_000 && !isOver; turn++) await runtime.advanceAsync(1);
    return watched;
  };
  const reserve = (id: string, scopes: readonly LedgerScope[]) => answer(policy.reserve(id, scopes, 600_000));
  const stateOf = async (ledger: Ledger, key: string, amount = 100) => {
    const [state] = await answer(ledger.peek([scopeOf(key, amount, 0)]));
    return [state?.used, state?.held];
  };
  const freeze = (ms: number) => {
    network.frozenUntilMs = runtime.monotonicMs() + ms;
  };
  /** Fails until the ledger is given up. */
  let givenUp = 0;
  const giveUp = async () => {
    network.isCut = true;
    const first = givenUp;
    givenUp += 3;
    for (let index = first; index < givenUp; index++) {
      await reserve(`fails ${index}`, [scopeOf('probe', 100, 0)]).catch(() => undefined);
    }
    expect(policy.report().state).toBe('degraded');
  };
  /** Lets the ledger be tried again. */
  const comeBack = async () => {
    network.isCut = false;
    await runtime.advanceAsync(6_001);
    await reserve(`back ${runtime.monotonicMs()}`, [scopeOf('probe', 100, 0)]);
    await runtime.advanceAsync(3_000);
    expect(policy.report().state).toBe('healthy');
  };
  return {
    runtime,
    shared,
    network,
    changes,
    policy,
    leasing,
    answer,
    reserve,
    stateOf,
    freeze,
    giveUp,
    comeBack,
  };
}

const open = () => 'open' as const;
const degraded = () => 'degraded' as const;

describe('a failure policy', () => {
  it('leaves decisions and settlements to a ledger that answers', async () => {
    const { reserve, policy, shared, stateOf, runtime, changes } = createFixture();
    expect(await reserve('one', [scopeOf('k', 100, 60)])).toMatchObject({ kind: 'granted' });
    expect(await reserve('two', [scopeOf('k', 100, 60)])).toMatchObject({ kind: 'denied', deniedAt: 0 });
    expect(await Promise.all([policy.renew('one', 1_000), runtime.advanceAsync(5)])).toEqual([
      true,
      undefined,
    ]);
    policy.settle('one', [40]);
    await runtime.advanceAsync(5);
    expect(await stateOf(shared, 'k')).toEqual([40, 0]);
    expect(policy.report()).toMatchObject({
      state: 'healthy',
      decisions: { ledger: 2, closed: 0 },
      failures: 0,
    });
    expect(changes).toEqual([]);
  });

  it('refuses a closed scope when the ledger is late, at the deadline, and then at once', async () => {
    const { reserve, policy, runtime, freeze, changes, network } = createFixture();
    freeze(30_000);
    const startMs = runtime.monotonicMs();
    for (let index = 0; index < 3; index++) {
      const askedMs = runtime.monotonicMs();
      await expect(reserve(`r${index}`, [scopeOf('k', 100, 1)])).rejects.toThrow('cannot be checked');
      expect(runtime.monotonicMs() - askedMs).toBeLessThanOrEqual(502);
    }
    // late answers to one call after the other for a second, and not three of them
    expect(runtime.monotonicMs() - startMs).toBeLessThanOrEqual(2_000);
    expect(changes).toMatchObject([{ state: 'degraded', cause: { code: 'ETIMEDOUT' } }]);
    const { reserve: calls } = network.calls;
    const asking = policy.reserve('at once', [scopeOf('k', 100, 1)], 1_000);
    await expect(asking).rejects.toThrow('cannot be checked');
    expect(network.calls.reserve).toBe(calls);
    expect(policy.report()).toMatchObject({ state: 'degraded', decisions: { closed: 4 } });
  });

  it('gives the ledger up when nothing but failures came for a second, be they few', async () => {
    const { reserve, policy, runtime, network } = createFixture({ maxFailures: 10 });
    network.isCut = true;
    await reserve('one', [scopeOf('k', 100, 1)]).catch(() => undefined);
    await runtime.advanceAsync(1_000);
    await reserve('two', [scopeOf('k', 100, 1)]).catch(() => undefined);
    expect(policy.report()).toMatchObject({ state: 'degraded', decisions: { closed: 2 } });
  });

  it('does not give up a ledger that stands still for less than a second, however many calls are late by it', async () => {
    const { answer, policy, freeze, runtime, changes } = createFixture();
    for (let pauses = 0; pauses < 20; pauses++) {
      freeze(600);
      const asking = Array.from({ length: 50 }, (_, index) =>
        policy.reserve(`p${pauses} ${index}`, [scopeOf('k', 1e6, 1)], 600_000),
      );
      const ended = await answer(Promise.allSettled(asking));
      expect(ended.every(({ status }) => status === 'rejected')).toBe(true);
      await runtime.advanceAsync(300);
      expect(await answer(policy.reserve(`q${pauses}`, [scopeOf('k', 1e6, 1)], 600_000))).toMatchObject({
        kind: 'granted',
      });
    }
    expect(changes).toEqual([]);
    expect(policy.report()).toMatchObject({ state: 'healthy', timeouts: 1_000 });
  });

  it('takes a ledger that is slow, and answers in time, for what it is', async () => {
    const runtime = createVirtualRuntime();
    const { ledger } = createNetwork(runtime, createMemoryLedger(runtime), () => 240);
    const policy = createFailurePolicy({ ledger, runtime });
    const kinds: string[] = [];
    for (let index = 0; index < 40; index++) {
      void (async () => kinds.push((await policy.reserve(`r${index}`, [scopeOf('k', 1e6, 1)], 1e6)).kind))();
      await runtime.advanceAsync(100);
    }
    await runtime.advanceAsync(1_000);
    expect(kinds).toEqual(new Array(40).fill('granted'));
    expect(policy.report()).toMatchObject({ state: 'healthy', failures: 0 });
  });

  it.each<[string, () => unknown]>([
    ['its own', () => Object.assign(new Error('slow'), { code: 'ETIMEDOUT' })],
    ['that of its cause', () => new Error('slow', { cause: new RedisStoreError('late') })],
  ])(
    'tells an error that says that the store was only late, by %s code, from any other',
    async (_, toError) => {
      const toReports = async (error: unknown) => {
        const runtime = createVirtualRuntime();
        const ledger: Ledger = { ...createMemoryLedger(runtime), reserve: () => Promise.reject(error) };
        const policy = createFailurePolicy({ ledger, runtime });
        for (let index = 0; index < 5; index++) {
          await Promise.resolve(policy.reserve(`r${index}`, [scopeOf('k', 1, 1)], 1_000)).catch(
            () => undefined,
          );
        }
        return policy.report().state;
      };
      expect(await toReports(toError())).toBe('healthy');
      expect(await toReports(new Error('refused'))).toBe('degraded');
    },
  );

  it('starts counting anew when a call succeeds', async () => {
    const { reserve, policy, network } = createFixture();
    for (let index = 0; index < 10; index++) {
      network.isCut = index % 3 !== 0;
      await reserve(`r${index}`, [scopeOf('k', 100, 1)]).catch(() => undefined);
    }
    expect(policy.report().state).toBe('healthy');
  });

  it('refuses the whole request when one scope is closed, and holds nothing of the others', async () => {
    const modes = { money: 'closed', tokens: 'degraded' } as const;
    const { giveUp, reserve, policy } = createFixture({
      policyOf: ({ key }) => modes[key as keyof typeof modes] ?? 'open',
    });
    await giveUp();
    await expect(reserve('both', [scopeOf('tokens', 100, 1), scopeOf('money', 100, 1)])).rejects.toThrow();
    expect(policy.report().openWithoutLedger).toBe(3);
  });

  it('grants a part of the amount on each node while degraded, and denies beyond it, naming the scope', async () => {
    const { giveUp, reserve, policy } = createFixture({
      nodes: 4,
      policyOf: ({ key }) => (key === 'half' ? { degraded: 0.5 } : key === 'free' ? 'open' : 'degraded'),
    });
    await giveUp();
    const scopes = [scopeOf('free', 1, 25), scopeOf('quarter', 100, 25), scopeOf('half', 100, 25)];
    expect(await reserve('one', scopes)).toMatchObject({
      kind: 'granted',
      scopes: [
        { key: 'free' },
        { key: 'quarter', held: 25, amount: 25 },
        { key: 'half', held: 25, amount: 50 },
      ],
    });
    expect(await reserve('two', scopes)).toMatchObject({ kind: 'denied', deniedAt: 1 });
    expect(await reserve('three', scopes.slice(2))).toMatchObject({ kind: 'granted' });
    expect(await reserve('four', scopes.slice(2))).toMatchObject({ kind: 'denied', deniedAt: 0 });
    policy.settle('three', [10]);
    expect(await reserve('five', [scopeOf('half', 100, 15)])).toMatchObject({ kind: 'granted' });
    expect(await reserve('six', [scopeOf('one', 1, 1)])).toMatchObject({ kind: 'granted' });
    expect(policy.report().decisions).toMatchObject({ degraded: expect.any(Number), open: 0 });
  });

  it('posts what was used without the ledger when it is back, and is exact again', async () => {
    const { giveUp, comeBack, reserve, policy, shared, stateOf, runtime, changes } = createFixture({
      policyOf: open,
    });
    await reserve('before', [scopeOf('k', 100, 30)]);
    await giveUp();
    policy.settle('before', [20]);
    await reserve('during', [scopeOf('k', 100, 60)]);
    policy.settle('during', [50]);
    policy.settle('during', [99]);
    await reserve('across', [scopeOf('k', 100, 60)]);
    expect(await stateOf(shared, 'k')).toEqual([0, 30]);
    await comeBack();
    expect(await stateOf(shared, 'k')).toEqual([70, 0]);
    expect(await reserve('exact', [scopeOf('k', 100, 31)])).toMatchObject({ kind: 'denied' });
    policy.settle('across', [25]);
    await runtime.advanceAsync(3_000);
    expect(await stateOf(shared, 'k')).toEqual([95, 0]);
    expect(changes.map(({ state }) => state)).toEqual(['degraded', 'healthy']);
    expect(policy.report()).toMatchObject({ openWithoutLedger: 3, unposted: 0, unsettled: 0, lost: 0 });
    for (const index of [0, 1, 2]) policy.settle(`fails ${index}`, []);
    await runtime.advanceAsync(3_000);
    expect(runtime.pending).toBe(0);
  });

  it('posts and comes back by itself when no request follows', async () => {
    const { giveUp, reserve, policy, shared, stateOf, runtime, network } = createFixture({ policyOf: open });
    await giveUp();
    await reserve('during', [scopeOf('k', 100, 60)]);
    policy.settle('during', [50]);
    network.isCut = false;
    await runtime.advanceAsync(9_000);
    expect(await stateOf(shared, 'k')).toEqual([50, 0]);
    expect(policy.report()).toMatchObject({ state: 'healthy', unposted: 0 });
  });

  it('posts many uses in the time of a few', async () => {
    const { giveUp, policy, shared, stateOf, runtime, network } = createFixture(
      { policyOf: open },
      false,
      20,
    );
    await giveUp();
    for (let index = 0; index < 2_000; index++) {
      void policy.reserve(`during ${index}`, [scopeOf('k', 1e6, 1)], 600_000);
      policy.settle(`during ${index}`, [1]);
    }
    network.isCut = false;
    // one after another takes 160 s
    await runtime.advanceAsync(10_000);
    expect(policy.report()).toMatchObject({ unposted: 0, lost: 0 });
    expect(await stateOf(shared, 'k', 1e6)).toEqual([2_000, 0]);
  });

  it('is back as soon as one use was posted, however many are left', async () => {
    const { giveUp, reserve, policy, shared, stateOf, runtime, network } = createFixture(
      { policyOf: open },
      false,
      30,
    );
    await giveUp();
    for (let index = 0; index < 5_000; index++) {
      void policy.reserve(`during ${index}`, [scopeOf('k', 1e6, 1)], 600_000);
      policy.settle(`during ${index}`, [1]);
    }
    network.isCut = false;
    await runtime.advanceAsync(3_000);
    expect(policy.report()).toMatchObject({ state: 'healthy', unposted: expect.any(Number) });
    expect(policy.report().unposted).toBeGreaterThan(2_000);
    expect(await reserve('after', [scopeOf('k', 1e6, 1)])).not.toHaveProperty('withoutLedger');
    await runtime.advanceAsync(25_000);
    expect(await stateOf(shared, 'k', 1e6)).toEqual([5_000, 1]);
  });

  it('is back after it was given up once more while uses were posted', async () => {
    const { giveUp, reserve, policy, runtime, network } = createFixture({ policyOf: open }, false, 30);
    await giveUp();
    for (let index = 0; index < 5_000; index++) {
      void policy.reserve(`during ${index}`, [scopeOf('k', 1e6, 1)], 600_000);
      policy.settle(`during ${index}`, [1]);
    }
    network.isCut = false;
    await runtime.advanceAsync(3_000);
    const before = network.ledger.reserve;
    const refused: Ledger['reserve'] = (id, scopes, leaseMs) =>
      scopes[0]?.key === 'hot' ? Promise.reject(new Error('refused')) : before(id, scopes, leaseMs);
    Object.assign(network.ledger, { reserve: refused });
    for (let index = 0; index < 3; index++) await reserve(`hot ${index}`, [scopeOf('hot', 100, 1)]);
    Object.assign(network.ledger, { reserve: before });
    expect(policy.report()).toMatchObject({ state: 'degraded' });
    await runtime.advanceAsync(3_000);
    expect(policy.report().unposted).toBeGreaterThan(500);
    expect(await reserve('after', [scopeOf('hot', 100, 1)])).not.toHaveProperty('withoutLedger');
    expect(policy.report()).toMatchObject({ state: 'healthy' });
  });

  it('does not take what a leasing ledger counts in memory for an answer of the store', async () => {
    const { reserve, policy, freeze, runtime, changes, stateOf, shared } = createFixture(
      { policyOf: open },
      true,
    );
    const startMs = runtime.monotonicMs();
    freeze(60_000);
    let waitedMs = 0;
    let used = 0;
    while (runtime.monotonicMs() - startMs < 59_000) {
      const askedMs = runtime.monotonicMs();
      if ((await reserve(`r${used}`, [scopeOf('k', 1e6, 1)])).kind === 'granted')
        policy.settle(`r${used++}`, [1]);
      waitedMs += runtime.monotonicMs() - askedMs;
      await runtime.advanceAsync(1_000);
    }
    expect(changes.map(({ state }) => state)).toEqual(['degraded']);
    expect(waitedMs).toBeLessThan(2_500);
    await runtime.advanceAsync(20_000);
    expect(policy.report()).toMatchObject({ state: 'healthy', unposted: 0, lost: 0 });
    expect(await stateOf(shared, 'k', 1e6)).toEqual([used, 0]);
  });

  it('gives back what a late ledger grants after the request was decided without it', async () => {
    const { freeze, reserve, policy, shared, stateOf, runtime } = createFixture({ policyOf: open });
    freeze(2_000);
    expect(await reserve('late', [scopeOf('k', 100, 60)])).toMatchObject({ kind: 'granted' });
    policy.settle('late', [5]);
    await runtime.advanceAsync(12_000);
    expect(await stateOf(shared, 'k')).toEqual([5, 0]);
  });

  it('answers a repeated id with the first answer, in an outage and after it', async () => {
    const { giveUp, comeBack, reserve, policy, shared, stateOf } = createFixture({ policyOf: degraded });
    await giveUp();
    const first = await reserve('one', [scopeOf('k', 100, 60)]);
    const denied = await reserve('two', [scopeOf('k', 100, 60)]);
    expect(await reserve('one', [scopeOf('k', 100, 60)])).toBe(first);
    policy.settle('one', [10]);
    await comeBack();
    expect(await reserve('one', [scopeOf('k', 100, 60)])).toBe(first);
    expect(await reserve('two', [scopeOf('k', 100, 60)])).toBe(denied);
    expect(await stateOf(shared, 'k')).toEqual([10, 0]);
  });

  it('lets one call at a time try whether the ledger is back, soon at first, then more and more seldom, a fifth sooner or later', async () => {
    const { giveUp, policy, runtime, network, changes } = createFixture({ policyOf: open });
    await giveUp();
    const times: number[] = [];
    let { reserve: before } = network.calls;
    const openedMs = runtime.monotonicMs();
    for (let index = 0; index < 400; index++) {
      void policy.reserve(`r${index}`, [scopeOf('k', 1e9, 1)], 600_000);
      void policy.reserve(`s${index}`, [scopeOf('k', 1e9, 1)], 600_000);
      await runtime.advanceAsync(100);
      if (network.calls.reserve > before) times.push(runtime.monotonicMs());
      expect(network.calls.reserve - before).toBeLessThanOrEqual(1);
      before = network.calls.reserve;
    }
    const gaps = times.map((time, index) => time - (times[index - 1] ?? openedMs));
    expect(times.length).toBeGreaterThanOrEqual(9);
    for (const [index, gap] of gaps.entries()) {
      const wantedMs = [500, 1_000, 2_000, 4_000][index] ?? 5_000;
      expect(gap).toBeGreaterThanOrEqual(wantedMs * 0.8);
      expect(gap).toBeLessThanOrEqual(wantedMs * 1.2 + 200);
    }
    expect(new Set(gaps.slice(4)).size).toBeGreaterThan(2);
    expect(changes).toHaveLength(1);
  });

  it('tries a ledger that fails again soon after it was back as seldom as before, and one that was well in between soon', async () => {
    const { giveUp, policy, runtime, network, reserve } = createFixture({ policyOf: open });
    /** How long it takes until the ledger is asked again. */
    const untilProbe = async () => {
      const [startMs, before] = [runtime.monotonicMs(), network.calls.reserve];
      for (let index = 0; network.calls.reserve === before; index++) {
        void policy.reserve(`${startMs} ${index}`, [scopeOf('k', 1e9, 1)], 600_000);
        await runtime.advanceAsync(50);
      }
      return runtime.monotonicMs() - startMs;
    };
    await giveUp();
    expect(await untilProbe()).toBeLessThanOrEqual(650);
    network.isCut = false;
    await untilProbe();
    await runtime.advanceAsync(10);
    expect(policy.report().state).toBe('healthy');
    await giveUp();
    expect(await untilProbe()).toBeGreaterThanOrEqual(1_600);
    network.isCut = false;
    await untilProbe();
    await runtime.advanceAsync(6_000);
    await reserve('well', [scopeOf('k', 1e9, 1)]);
    await giveUp();
    expect(await untilProbe()).toBeLessThanOrEqual(650);
  });

  it('answers a renewal with true while nothing is known, renews its own, and refuses to read', async () => {
    const { giveUp, reserve, policy } = createFixture({ policyOf: open });
    await reserve('before', [scopeOf('k', 100, 1)]);
    await giveUp();
    await reserve('during', [scopeOf('k', 100, 1)]);
    expect(policy.renew('before', 1_000)).toBe(true);
    expect(policy.renew('during', 1_000)).toBe(true);
    policy.settle('during', [1]);
    expect(policy.renew('during', 1_000)).toBe(false);
    await expect(policy.peek([scopeOf('k', 100, 1)])).rejects.toThrow();
  });

  it('renews what a leasing ledger holds while the store is away, so that all that was used is counted', async () => {
    const { giveUp, comeBack, reserve, policy, shared, stateOf, runtime, answer } = createFixture({}, true);
    const scope = scopeOf('k', 100_000, 5_000, { charge: 10 });
    await answer(policy.reserve('stream', [scope], 30_000));
    await giveUp();
    for (let elapsedMs = 0; elapsedMs < 120_000; elapsedMs += 10_000) {
      // takes the place of the one call that tries whether it is back
      await reserve(`other ${elapsedMs}`, [scopeOf('probe', 100, 0)]).catch(() => undefined);
      expect(policy.renew('stream', 30_000, [20])).toBe(true);
      await runtime.advanceAsync(10_000);
    }
    await comeBack();
    policy.settle('stream', [4_000]);
    await runtime.advanceAsync(10_000);
    expect(await stateOf(shared, 'k', 100_000)).toEqual([4_000, 0]);
    expect(policy.renew('stream', 30_000)).toBe(false);
  });

  it('charges what expired without the ledger, as renewed', async () => {
    const { giveUp, comeBack, policy, shared, stateOf, runtime } = createFixture({ policyOf: degraded });
    await giveUp();
    await policy.reserve('one', [scopeOf('k', 100, 60)], 2_000);
    await policy.renew('one', 2_000, [35]);
    await runtime.advanceAsync(4_000);
    await comeBack();
    expect(await stateOf(shared, 'k')).toEqual([35, 0]);
  });

  it('tells stale windows in an outage, and drops uses whose bucket ended before the ledger was back', async () => {
    const { giveUp, comeBack, reserve, policy, runtime } = createFixture({ policyOf: open });
    await giveUp();
    const old = scopeOf('k', 100, 60, { span: spanAt(runtime.now() - 10_000, 10_000) });
    expect(await reserve('stale', [old])).toMatchObject({ kind: 'stale', nowMs: expect.any(Number) });
    await reserve('short', [scopeOf('k', 100, 60, { span: spanAt(runtime.now(), 1_000) })]);
    policy.settle('short', [60]);
    await comeBack();
    expect(policy.report()).toMatchObject({ lost: 1, unposted: 0 });
  });

  it('posts what is left of a use when one of its windows ends on the way', async () => {
    const { giveUp, reserve, policy, runtime, network, stateOf, shared } = createFixture({ policyOf: open });
    await giveUp();
    const minute = spanAt(runtime.now(), 60_000);
    await reserve('one', [scopeOf('minute', 100, 60, { span: minute }), scopeOf('k', 100, 60)]);
    policy.settle('one', [50, 50]);
    await runtime.advanceAsync(minute.untilMs - runtime.now());
    // by the clock that is known here the minute goes on, until an answer says otherwise
    let isKnown = false;
    Object.assign(network.ledger, {
      nowMs: () => (isKnown ? runtime.now() : minute.fromMs),
      reserve: async (...call: Parameters<Ledger['reserve']>) => {
        const result = await shared.reserve(...call);
        isKnown ||= result.kind === 'stale';
        return result;
      },
    });
    network.isCut = false;
    await runtime.advanceAsync(12_000);
    expect(await stateOf(shared, 'k')).toEqual([50, 0]);
    expect(policy.report()).toMatchObject({ lost: 1, unposted: 0 });
  });

  it('posts what was used of each limit when a window ends between two tries of one use', async () => {
    const { giveUp, reserve, policy, runtime, network, stateOf, shared } = createFixture({ policyOf: open });
    await giveUp();
    const minute = spanAt(runtime.now(), 60_000);
    const asked = [scopeOf('minute', 100, 60, { span: minute }), scopeOf('k', 100, 60)];
    await reserve('one', asked);
    policy.settle('one', [20, 50]);
    const { settle } = network.ledger;
    let refused = 0;
    const refusing: Ledger['settle'] = (id, used) => {
      if (!id.endsWith('/fallback')) return settle(id, used);
      refused++;
      return Promise.reject(new Error('refused'));
    };
    Object.assign(network.ledger, { settle: refusing });
    network.isCut = false;
    await runtime.advanceAsync(minute.untilMs - runtime.now());
    expect(refused).toBeGreaterThan(0);
    Object.assign(network.ledger, { settle });
    await runtime.advanceAsync(12_000);
    expect(await stateOf(shared, 'k')).toEqual([50, 0]);
    expect(await shared.peek(asked)).toMatchObject([{ used: 20, held: 0 }, { used: 50 }]);
    expect(policy.report()).toMatchObject({ lost: 0, unposted: 0 });
  });

  it('keeps no more than its bounds: open reservations are refused, uses and settlements dropped and counted', async () => {
    const { giveUp, reserve, policy } = createFixture({
      policyOf: ({ key }) => (key === 'probe' ? 'closed' : 'open'),
      maxOpen: 2,
      maxJournal: 3,
    });
    await giveUp();
    await reserve('one', [scopeOf('k', 100, 1)]);
    await reserve('two', [scopeOf('k', 100, 1)]);
    await expect(reserve('three', [scopeOf('k', 100, 1)])).rejects.toThrow();
    for (let index = 0; index < 10; index++) {
      policy.settle(index === 0 ? 'one' : `r${index - 1}`, [1]);
      await reserve(`r${index}`, [scopeOf('k', 100, 1)]);
    }
    expect(policy.report()).toMatchObject({ openWithoutLedger: 2, unposted: 3, lost: 7 });
  });

  it('has room again for open reservations when the lease of one is over, whose charge is kept', async () => {
    const { answer, giveUp, policy, runtime } = createFixture({
      policyOf: ({ key }) => (key === 'probe' ? 'closed' : 'open'),
      maxOpen: 2,
    });
    const reserve = (id: string, leaseMs: number) =>
      answer(policy.reserve(id, [scopeOf('k', 100, 1)], leaseMs));
    await giveUp();
    await reserve('one', 1_000);
    await reserve('two', 600_000);
    await expect(reserve('three', 600_000)).rejects.toThrow();
    await runtime.advanceAsync(1_001);
    expect(await reserve('three', 600_000)).toMatchObject({ kind: 'granted' });
    await expect(reserve('four', 600_000)).rejects.toThrow();
    expect(policy.report()).toMatchObject({ openWithoutLedger: 2, unposted: 1 });
  });

  it('does not call lost what it posts, though others took its place on the way', async () => {
    const { giveUp, policy, shared, stateOf, runtime, network } = createFixture(
      { policyOf: open, maxJournal: 3 },
      false,
      20,
    );
    const use = (name: string) => {
      for (let index = 0; index < 3; index++) {
        void policy.reserve(`${name} ${index}`, [scopeOf('k', 100, 1)], 600_000);
        policy.settle(`${name} ${index}`, [1]);
      }
    };
    await giveUp();
    use('before');
    network.isCut = false;
    const { reserve } = network.ledger;
    let isFirst = true;
    network.ledger.reserve = (...call) => {
      const answer = reserve(...call);
      if (isFirst) use('meanwhile');
      isFirst = false;
      return answer;
    };
    await runtime.advanceAsync(10_000);
    expect(await stateOf(shared, 'k')).toEqual([6, 0]);
    expect(policy.report()).toMatchObject({ unposted: 0, lost: 0 });
  });

  it('passes a mistake of the programmer on and does not take it for a failure', () => {
    const runtime = createVirtualRuntime();
    const policy = createFailurePolicy({ ledger: createMemoryLedger(runtime), runtime });
    for (let index = 0; index < 5; index++) {
      expect(() => policy.reserve(`r${index}`, [scopeOf('k', 100, -1)], 1_000)).toThrow(TypeError);
    }
    expect(policy.report()).toMatchObject({ state: 'healthy', failures: 0 });
  });

  it('tries the ledger again after a caller’s mistake took the place of a try', async () => {
    const runtime = createVirtualRuntime();
    const memory = createMemoryLedger(runtime);
    let isDown = true;
    const ledger: Ledger = {
      ...memory,
      reserve: (...asked) =>
        isDown ? Promise.reject(new Error('down')) : Promise.resolve(memory.reserve(...asked)),
    };
    const policy = createFailurePolicy({ ledger, runtime });
    for (let index = 0; index < 3; index++) {
      await expect(policy.reserve(`r${index}`, [scopeOf('k', 100, 1)], 1_000)).rejects.toThrow('ledger');
    }
    expect(policy.report().state).toBe('degraded');
    isDown = false;
    await runtime.advanceAsync(6_001);
    expect(() => policy.reserve('wrong', [scopeOf('k', 100, -1)], 1_000)).toThrow(TypeError);
    await policy.reserve('back', [scopeOf('k', 100, 1)], 1_000);
    await runtime.advanceAsync(3_000);
    expect(policy.report().state).toBe('healthy');
  });

  it('gives the value itself where the ledger decides in memory', () => {
    const runtime = createVirtualRuntime();
    const policy = createFailurePolicy({ ledger: createMemoryLedger(runtime), runtime });
    expect(policy.reserve('one', [scopeOf('k', 100, 1)], 1_000)).not.toBeInstanceOf(Promise);
    policy.settle('one', [1]);
    expect(runtime.pending).toBe(0);
  });

  it.each([
    'deadlineMs',
    'nodes',
    'maxFailures',
    'probeMs',
    'openMs',
    'maxOpen',
    'maxJournal',
    'retryMs',
  ] as const)('names the option that is out of range: %s', (option) => {
    expect(() => createFixture({ [option]: 0 })).toThrow(new RegExp(`"${option}"`));
  });

  it('survives a listener that throws', async () => {
    const { giveUp } = createFixture({
      onChange: () => {
        throw new Error('listener');
      },
    });
    await giveUp();
  });

  it('posts what it can on close, within a few deadlines when the ledger stays away', async () => {
    const { giveUp, reserve, policy, runtime, answer, network, stateOf, shared } = createFixture({
      policyOf: open,
    });
    await giveUp();
    await reserve('during', [scopeOf('k', 100, 60)]);
    policy.settle('during', [50]);
    network.isCut = false;
    await answer(policy.close?.());
    expect(await stateOf(shared, 'k')).toEqual([50, 0]);
    const other = createFixture({ policyOf: open });
    await other.giveUp();
    await other.reserve('during', [scopeOf('k', 100, 60)]);
    other.policy.settle('during', [50]);
    other.freeze(600_000);
    other.network.isCut = false;
    await other.answer(other.policy.close?.());
    expect(other.runtime.monotonicMs()).toBeLessThanOrEqual(2_500);
    expect(runtime.pending).toBe(0);
  });

  it('posts what was used without the store on close of a leasing ledger', async () => {
    const { giveUp, reserve, policy, answer, network, stateOf, shared } = createFixture(
      { policyOf: open },
      true,
    );
    await giveUp();
    await reserve('during', [scopeOf('k', 100, 60)]);
    policy.settle('during', [50]);
    network.isCut = false;
    await answer(policy.close?.());
    expect(await stateOf(shared, 'k')).toEqual([50, 0]);
  });
});

describe.each([
  ['a plain ledger', false],
  ['a leasing ledger', true],
])('a failure policy over %s that is frozen for 30 s under load', (_, isLeasing) => {
  it('answers every request within 550 ms, gives up within 2 s, reports twice, and is exact after', async () => {
    const fixture = createFixture(
      { policyOf: ({ key }) => (key === 'money' ? 'closed' : 'degraded'), nodes: 2 },
      isLeasing,
    );
    const { runtime, policy, changes, shared, freeze, stateOf, reserve } = fixture;
    const waits: number[] = [];
    const used = { tokens: 0, money: 0 };
    const frozenMs = 10_000;
    let memory = 0;
    for (let tick = 0; tick < 6_000; tick++) {
      const isMoney = tick % 5 === 0;
      const id = `r${tick}`;
      const key = isMoney ? 'money' : 'tokens';
      const sentMs = runtime.monotonicMs();
      if (tick === 1_000) freeze(30_000);
      const asking = policy.reserve(id, [scopeOf(key, 1_000_000, 20)], 600_000);
      if (!(asking instanceof Promise) && sentMs > frozenMs && sentMs < frozenMs + 3_000 && isMoney) memory++;
      void (async () => {
        let result: ReserveResult | undefined;
        try {
          result = await asking;
        } catch {
          // refused, as declared
        }
        waits.push(runtime.monotonicMs() - sentMs);
        if (result?.kind !== 'granted') return;
        runtime.schedule(40, () => {
          used[key] += 11;
          policy.settle(id, [11]);
        });
      })();
      await runtime.advanceAsync(10);
    }
    await runtime.advanceAsync(40_000);
    waits.sort((one, other) => one - other);
    expect(waits).toHaveLength(6_000);
    expect(waits.at(-1)).toBeLessThanOrEqual(550);
    expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThanOrEqual(510);
    expect(changes.map(({ state }) => state)).toEqual(['degraded', 'healthy']);
    // over a leasing ledger the slices last for a while first
    expect(changes[1]?.lastedMs).toBeGreaterThan(isLeasing ? 15_000 : 27_000);
    expect(changes[1]?.lastedMs).toBeLessThanOrEqual(37_000);
    expect(JSON.stringify(changes).length).toBeLessThan(10_000);
    if (isLeasing) expect(memory).toBeGreaterThan(5);
    expect(policy.report()).toMatchObject({
      state: 'healthy',
      unposted: 0,
      unsettled: 0,
      lost: 0,
      openWithoutLedger: 0,
    });
    expect(await stateOf(shared, 'tokens', 1_000_000)).toEqual([used.tokens, 0]);
    expect(await stateOf(shared, 'money', 1_000_000)).toEqual([used.money, 0]);
    const left = 1_000_000 - used.money;
    expect(await reserve('too much', [scopeOf('money', 1_000_000, left + 1)])).toMatchObject({
      kind: 'denied',
    });
    expect(await reserve('fits', [scopeOf('money', 1_000_000, left)])).toMatchObject({ kind: 'granted' });
  });
});
