import * as fc from 'fast-check';
import type { Ledger, LedgerScope, ReadScope, ReserveResult } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createLeasingLedger } from '../../src/limits/leasing/leasing-ledger.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { createNetwork, scopeOf, spanAt } from './leasing-network.ts';

/** What the scopes of these tests are; the amounts are small beside what is asked, so that limits are met. */
const kinds = [
  { key: 'organisation', amount: 400, windowMs: undefined, buckets: 1, isSlot: false },
  { key: 'minute', amount: 150, windowMs: 20_000, buckets: 1, isSlot: false },
  { key: 'rolling', amount: 200, windowMs: 5_000, buckets: 4, isSlot: false },
  { key: 'slots', amount: 10, windowMs: undefined, buckets: 1, isSlot: true },
] as const;

const options = { maxShare: 0.5, maxShareOfRest: 0.5, leaseMs: 3_000, postMs: 400, idleMs: 2_000 };

type Step =
  | {
      do: 'reserve';
      node: number;
      kinds: readonly number[];
      hold: number;
      charged: number;
      twice: boolean;
      wait: boolean;
    }
  | { do: 'settle'; nth: number; part: number; twice: boolean }
  | { do: 'abandon'; nth: number }
  | { do: 'advance'; ms: number }
  | { do: 'freeze'; node: number; ms: number }
  | { do: 'cut'; node: number; isCut: boolean }
  | { do: 'kill'; node: number };

const node = fc.integer({ min: 0, max: 2 });
/** @param leastCharged of how many quarters of the hold an expiry charges */
const reserve = (wait: fc.Arbitrary<boolean>, leastCharged: number) =>
  fc.record({
    do: fc.constant('reserve' as const),
    node,
    kinds: fc.uniqueArray(fc.integer({ min: 0, max: kinds.length - 1 }), { minLength: 1, maxLength: 3 }),
    hold: fc.integer({ min: 0, max: 40 }),
    charged: fc.integer({ min: leastCharged, max: 4 }),
    twice: fc.integer({ min: 0, max: 19 }).map((drawn) => drawn === 0),
    wait,
  });
const settle = fc.record({
  do: fc.constant('settle' as const),
  nth: fc.nat({ max: 100 }),
  part: fc.integer({ min: 0, max: 4 }),
  twice: fc.boolean(),
});
const advance = fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 900 }) });
const anything: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: reserve(fc.boolean(), 0) },
  { weight: 18, arbitrary: settle },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('abandon' as const), nth: fc.nat({ max: 100 }) }),
  },
  { weight: 10, arbitrary: advance },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('freeze' as const),
      node,
      ms: fc.integer({ min: 1, max: 6_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('cut' as const), node, isCut: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), node }) },
);
const calm: fc.Arbitrary<Step> = fc.oneof(
  // not 0: a scope that begins to charge begins anew, and what it has goes back first
  { weight: 30, arbitrary: reserve(fc.constant(true), 1) },
  { weight: 18, arbitrary: settle },
  { weight: 10, arbitrary: advance },
);

interface Entry {
  readonly id: string;
  readonly node: number;
  readonly incarnation: number;
  readonly scopes: readonly LedgerScope[];
  used: readonly number[] | undefined;
}

// to shrink a hundred steps may take longer than a test may, and then not even the seed is told
const runs = { numRuns: 150, endOnFailure: true };

/** Nodes over one shared ledger, and an account of what they admitted that none of them keeps. */
function createWorld({
  seed,
  maxDelayMs,
  late = 0,
  nodes = 3,
}: {
  seed: number;
  maxDelayMs: number;
  /** The share of messages that take longer than leases last. */
  late?: number;
  nodes?: number;
}) {
  const runtime = createVirtualRuntime({ seed });
  const shared = createMemoryLedger(runtime);
  const delayMs = () => runtime.random() * (runtime.random() < late ? 2 * options.leaseMs : maxDelayMs);
  const denials: { told: (node: number) => void } = { told: () => undefined };
  const createNode = (node: number) => {
    const told: Ledger = {
      ...shared,
      reserve: (...call) => {
        const result = shared.reserve(...call);
        if (result.kind === 'denied') denials.told(node);
        return result;
      },
    };
    const network = createNetwork(runtime, told, delayMs);
    return { network, ledger: createLeasingLedger({ shared: network.ledger, runtime, ...options }) };
  };
  const all = Array.from({ length: nodes }, (_, node) => createNode(node));
  const incarnations = all.map(() => 0);
  const entries: Entry[] = [];
  let ids = 0;
  const disturbed = { any: late > 0 };

  const toScopes = (numbers: readonly number[], hold: number, charged: number) =>
    numbers.map((number) => {
      const { key, amount, windowMs, buckets, isSlot } = kinds[number] as (typeof kinds)[number];
      const span = spanAt(runtime.now(), windowMs, buckets);
      return scopeOf(key, amount, isSlot ? 1 : hold, {
        span,
        charge: isSlot ? 0 : Math.ceil((hold * charged) / 4),
      });
    });

  /**
   * What is truly used and held of a scope, by the answers that callers were given: in the span it was asked for, which
   * may have ended when the answer has come.
   */
  const truth = ({ key, span }: ReadScope) => {
    let sum = 0;
    for (const { scopes, used } of entries) {
      scopes.forEach((scope, index) => {
        if (scope.key !== key || !span.buckets.includes(scope.span.bucket)) return;
        // the lease of a node that was disturbed may have run out: then its charge is what is counted
        sum += used?.[index] ?? (disturbed.any ? scope.charge : scope.hold);
      });
    }
    return sum;
  };

  const check = () => {
    kinds.forEach(({ key, amount, windowMs, buckets, isSlot }) => {
      const span = spanAt(runtime.now(), windowMs, buckets);
      const [state] = shared.peek([{ key, amount, span }]) as readonly { used: number; held: number }[];
      // what is told after its lease has run out may be charged elsewhere for a time, so that it is counted twice
      if (!disturbed.any) {
        expect((state?.used ?? 0) + (state?.held ?? 0), `${key} in the shared ledger`).toBeLessThanOrEqual(
          amount,
        );
      }
      // a slot is free again when the lease of its node has run out, even if somebody still uses it
      if (isSlot && disturbed.any) return;
      expect(truth({ key, amount, span }), `${key} admitted`).toBeLessThanOrEqual(amount);
    });
  };

  const isOver = async (work: Promise<unknown>) => {
    let over = false;
    work.then(
      () => {
        over = true;
      },
      () => {
        over = true;
      },
    );
    for (let turn = 0; turn < 1_300 && !over; turn++) {
      await runtime.advanceAsync(1);
    }
    expect(over, 'every question is answered, or rejected by its deadline').toBe(true);
  };

  return {
    runtime,
    shared,
    all,
    disturbed,
    denials,
    entries,
    incarnations,
    truth,
    toScopes,
    check,
    isOver,
    createNode,
    newId: () => `r${++ids}`,
  };
}

describe('leasing ledgers of several nodes', () => {
  it('never admit more than the limit and lose nothing, whatever is late, cut, frozen, killed or repeated', async () => {
    let granted = 0;
    let denied = 0;
    let rejected = 0;
    let memory = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anything, { minLength: 20, maxLength: 120, size: 'max' }),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.constantFrom(0.5, 20, 200),
        fc.constantFrom(0, 0, 0.05),
        fc.boolean(),
        async (steps, seed, maxDelayMs, late, chargesAll) => {
          const world = createWorld({ seed, maxDelayMs, late });
          const { runtime, shared, all, entries, incarnations } = world;
          const open: Entry[] = [];
          const asked: Promise<unknown>[] = [];
          const take = (entry: Entry, result: ReserveResult) => {
            if (result.kind === 'denied') denied++;
            if (result.kind !== 'granted') return;
            // an answer to a node that has died reaches nobody
            if (incarnations[entry.node] !== entry.incarnation) return;
            granted++;
            entries.push(entry);
            open.push(entry);
          };
          const settleOne = ({ id, node, scopes }: Entry, entry: Entry, part: number, twice: boolean) => {
            const used = scopes.map(({ charge }) => Math.floor((charge * part) / 4));
            entry.used = used;
            all[node]?.ledger.settle(id, used);
            if (twice)
              all[node]?.ledger.settle(
                id,
                scopes.map(({ hold }) => hold * 7),
              );
          };
          for (const step of steps) {
            if (step.do === 'freeze' || step.do === 'cut' || step.do === 'kill') world.disturbed.any = true;
            if (step.do === 'reserve') {
              const entry: Entry = {
                id: world.newId(),
                node: step.node,
                incarnation: incarnations[step.node] as number,
                scopes: world.toScopes(step.kinds, step.hold, chargesAll ? 4 : step.charged),
                used: undefined,
              };
              const { ledger } = all[step.node] as (typeof all)[number];
              const result = ledger.reserve(entry.id, entry.scopes, 600_000);
              if (step.twice && (result instanceof Promise || result.kind !== 'stale')) {
                expect(ledger.reserve(entry.id, entry.scopes, 600_000)).toBe(result);
              }
              if (result instanceof Promise) {
                const asking = result.then(
                  (result) => take(entry, result),
                  () => rejected++,
                );
                asked.push(asking);
                if (step.wait) await world.isOver(asking);
              } else {
                memory++;
                take(entry, result);
              }
            } else if (step.do === 'settle' && open.length > 0) {
              const [entry] = open.splice(step.nth % open.length, 1) as [Entry];
              settleOne(entry, entry, step.part, step.twice);
            } else if (step.do === 'abandon' && open.length > 0) {
              // nobody settles it: it stays held until the end
              open.splice(step.nth % open.length, 1);
            } else if (step.do === 'advance') await runtime.advanceAsync(step.ms);
            else if (step.do === 'freeze') {
              const { network } = all[step.node] as (typeof all)[number];
              network.frozenUntilMs = runtime.monotonicMs() + step.ms;
            } else if (step.do === 'cut') (all[step.node] as (typeof all)[number]).network.isCut = step.isCut;
            else if (step.do === 'kill') {
              (all[step.node] as (typeof all)[number]).network.isDead = true;
              all[step.node] = world.createNode(step.node);
              incarnations[step.node] = (incarnations[step.node] as number) + 1;
              for (let index = open.length - 1; index >= 0; index--) {
                if (open[index]?.node === step.node) open.splice(index, 1);
              }
            }
            world.check();
          }
          for (const { network } of all) {
            network.isCut = false;
            network.frozenUntilMs = 0;
          }
          for (const asking of asked) await world.isOver(asking);
          for (const entry of open) settleOne(entry, entry, 2, false);
          for (const entry of entries) {
            if (entry.used || incarnations[entry.node] !== entry.incarnation) continue;
            settleOne(entry, entry, 4, false);
          }
          world.check();
          await runtime.advanceAsync(20_000);
          // P5: nothing is held; P3: what the living used is posted, what the dead could have used at the most
          const [organisation] = kinds;
          const [state] = shared.peek([scopeOf(organisation.key, organisation.amount, 0)]) as readonly {
            used: number;
            held: number;
          }[];
          const living = entries.filter(({ node, incarnation }) => incarnations[node] === incarnation);
          const sum = (list: readonly Entry[]) =>
            list.reduce((total, { scopes, used }) => {
              const index = scopes.findIndex(({ key }) => key === organisation.key);
              if (index < 0) return total;
              return total + (used?.[index] ?? scopes[index]?.charge ?? 0);
            }, 0);
          expect(state?.held).toBe(0);
          // of requests that charge less than they hold, what the dead did since they last reported may be missing
          expect(state?.used).toBeGreaterThanOrEqual(sum(chargesAll ? entries : living));
          if (living.length === entries.length && incarnations.every((count) => count === 0)) {
            expect(state?.used).toBe(sum(entries));
          }
          for (const { ledger } of all) {
            expect(ledger.report(), 'nothing is left behind').toMatchObject({
              open: 0,
              slices: 0,
              waiting: 0,
              unsettled: 0,
              dropped: 0,
            });
          }
        },
      ),
      runs,
    );
    // the runs would prove little if they met no limit, no fault or no slice
    expect(granted).toBeGreaterThan(1_000);
    expect(denied).toBeGreaterThan(100);
    expect(rejected).toBeGreaterThan(100);
    expect(memory).toBeGreaterThan(100);
  }, 300_000);

  it('deny nothing that a serial ledger would admit, but for what other nodes have unused', async () => {
    let denied = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(calm, { minLength: 20, maxLength: 150, size: 'max' }),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.constantFrom(1, 3),
        async (steps, seed, nodes) => {
          const world = createWorld({ seed, maxDelayMs: 2, nodes });
          const { runtime, all, entries } = world;
          const open: Entry[] = [];
          /**
           * What other nodes have unused of a bucket: in slices, asked for ahead of need, and on its way back. The last
           * is in no report, and the shared ledger still holds it: a node may give back one slice and exchange another
           * for a smaller one at the same time, and the question may be faster than the settlement. What the asking node
           * gives back itself excuses nothing.
           */
          const unusedBeside = (asking: number, { key, span }: LedgerScope) => {
            let sum = 0;
            all.forEach(({ ledger, network }, node) => {
              if (node === asking) return;
              sum += network.onItsWayBack(key, span.bucket);
              for (const scope of ledger.report().scopes) {
                if (scope.key === key && scope.bucket === span.bucket) sum += scope.unused;
              }
            });
            return sum;
          };
          for (const step of steps) {
            if (step.do === 'reserve') {
              const node = step.node % nodes;
              // the rolling scope has a bound of its own: what surrounds open reservations of buckets that ended
              const numbers = step.kinds.filter((number) => number !== 2);
              const scopes = world.toScopes(numbers, step.hold, step.charged);
              const id = world.newId();
              // at the instant of the denial in the shared ledger, by scope; if it was asked several times, the most
              const unused = scopes.map(() => 0);
              world.denials.told = (denied) => {
                if (denied !== node) return;
                scopes.forEach((scope, index) => {
                  unused[index] = Math.max(unused[index] as number, unusedBeside(node, scope));
                });
              };
              const asking = Promise.resolve(all[node]?.ledger.reserve(id, scopes, 600_000));
              await world.isOver(asking);
              const result = (await asking) as ReserveResult;
              if (result.kind === 'granted') {
                const entry: Entry = { id, node, incarnation: 0, scopes, used: undefined };
                entries.push(entry);
                open.push(entry);
              } else if (result.kind === 'denied') {
                denied++;
                const scope = scopes[result.deniedAt] as LedgerScope;
                const around = unused[result.deniedAt] as number;
                expect(world.truth(scope) + scope.hold + around).toBeGreaterThan(scope.amount);
              }
            } else if (step.do === 'settle' && open.length > 0) {
              const [entry] = open.splice(step.nth % open.length, 1) as [Entry];
              entry.used = entry.scopes.map(({ key, hold }) =>
                key === 'slots' ? 0 : Math.floor((hold * step.part) / 4),
              );
              all[entry.node]?.ledger.settle(entry.id, entry.used);
            } else if (step.do === 'advance') await runtime.advanceAsync(step.ms);
            world.check();
          }
        },
      ),
      runs,
    );
    expect(denied).toBeGreaterThan(100);
  }, 300_000);

  it('are charged for all that they granted, should they stand still until their leases have run out', async () => {
    let inMemory = 0;
    const reserve = fc.record({
      do: fc.constant('reserve' as const),
      hold: fc.integer({ min: 1, max: 30 }),
      charged: fc.integer({ min: 1, max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            { weight: 5, arbitrary: reserve },
            { weight: 3, arbitrary: settle },
            { weight: 2, arbitrary: advance },
          ),
          { minLength: 5, maxLength: 50, size: 'max' },
        ),
        fc.array(reserve, { minLength: 10, maxLength: 10 }),
        fc.constantFrom(200, 2_000),
        async (steps, atLast, amount) => {
          const world = createWorld({ seed: 1, maxDelayMs: 1, nodes: 2 });
          const { runtime, shared, all, newId, isOver } = world;
          const [one, other] = all as [(typeof all)[number], (typeof all)[number]];
          const open: { readonly id: string; readonly charge: number }[] = [];
          let used = 0;
          const stateOf = () => {
            const [state] = shared.peek([scopeOf('k', amount, 0)]);
            return { used: state?.used ?? 0, held: state?.held ?? 0 };
          };
          const take = async ({ hold, charged }: { hold: number; charged: number }, asks: boolean) => {
            const id = newId();
            const charge = Math.ceil((hold * charged) / 8);
            const scopes = [scopeOf('k', amount, hold, { charge })];
            const asking = asks
              ? Promise.resolve(one.ledger.reserve(id, scopes, 600_000))
              : Promise.resolve(one.ledger.reserveInMemory(id, scopes, 600_000));
            await isOver(asking);
            if ((await asking)?.kind !== 'granted') return;
            open.push({ id, charge });
            if (!asks) inMemory++;
          };
          for (const step of steps) {
            if (step.do === 'reserve') await take(step, true);
            else if (step.do === 'advance') await runtime.advanceAsync(step.ms);
            else if (open.length > 0) {
              const [entry] = open.splice(step.nth % open.length, 1) as [(typeof open)[number]];
              const part = Math.floor((entry.charge * step.part) / 4);
              used += part;
              one.ledger.settle(entry.id, [part]);
            }
          }
          one.network.frozenUntilMs = runtime.monotonicMs() + 8_000;
          for (const reserve of atLast) await take(reserve, false);
          await runtime.advanceAsync(4_000);
          const { used: counted, held } = stateOf();
          used += open.reduce((sum, { charge }) => sum + charge, 0);
          expect(counted + held, 'what others find taken').toBeGreaterThanOrEqual(used);
          const room = amount - counted - held;
          await isOver(Promise.resolve(other.ledger.reserve('rest', [scopeOf('k', amount, room)], 600_000)));
          await runtime.advanceAsync(5_000);
          for (const { id, charge } of open) one.ledger.settle(id, [charge]);
          await runtime.advanceAsync(5_000);
          expect(stateOf().used, 'all that was used in the end').toBe(used);
        },
      ),
      { ...runs, numRuns: 300 },
    );
    expect(inMemory).toBeGreaterThan(100);
  }, 300_000);
});
