import * as fc from 'fast-check';
import type { Ledger, LedgerScope } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';
import { type LedgerHarness, ledgerContract } from '../../src/testing/contracts/ledger.ts';

/** A memory ledger on a virtual clock; `wrap` makes it wrong. */
function createHarness(wrap: (ledger: Ledger) => Ledger = (ledger) => ledger): LedgerHarness {
  const runtime = createVirtualRuntime();
  return {
    ledger: wrap(createMemoryLedger(runtime)),
    now: runtime.now,
    advance: (ms) => runtime.advance(ms),
  };
}

describe('the memory ledger', () => {
  for (const { name, run } of ledgerContract) it(name, () => run(createHarness()));

  it('remembers at least maxSettled settled ids and forgets the oldest before twice as many', async () => {
    const ledger = createMemoryLedger(createVirtualRuntime(), { maxSettled: 10 });
    const wanted: LedgerScope = { key: 'k', unit: 'parallel', amount: 1, hold: 1, mode: 'block' };
    const isRemembered = async (id: string) => {
      const { scopes } = await ledger.reserve(id, [{ ...wanted, key: 'probe' }], 1_000);
      return scopes[0]?.key === 'k';
    };
    for (let index = 0; index < 40; index++) {
      await ledger.reserve(`r${index}`, [wanted], 1_000);
      await ledger.settle(`r${index}`, []);
    }
    for (let index = 30; index < 40; index++) expect(await isRemembered(`r${index}`)).toBe(true);
    expect(await isRemembered('r19')).toBe(false);
  });

  it('forgets idle windows above maxScopes, but never one with a hold or a budget without a window', async () => {
    const runtime = createVirtualRuntime();
    const ledger = createMemoryLedger(runtime, { maxScopes: 20 });
    const scope = (key: string, windowMs?: number): LedgerScope => ({
      key,
      unit: 'tokens',
      amount: 100,
      hold: 10,
      mode: 'block',
      ...(windowMs !== undefined && { windowMs }),
    });
    await ledger.reserve('budget', [scope('budget')], 3_600_000);
    await ledger.settle('budget', [10]);
    await ledger.reserve('held', [scope('held', 86_400_000)], 86_400_000);
    for (let index = 0; index < 100; index++) {
      await ledger.reserve(`r${index}`, [scope(`idle ${index}`, 86_400_000)], 3_600_000);
      await ledger.settle(`r${index}`, [10]);
    }
    const states = await ledger.peek([
      scope('budget'),
      scope('held', 86_400_000),
      scope('idle 0', 86_400_000),
      scope('idle 99', 86_400_000),
    ]);
    expect(states.map(({ used, held }) => [used, held])).toEqual([
      [10, 0],
      [0, 10],
      [0, 0],
      [10, 0],
    ]);
  });

  it('keeps the window it is in when the clock is set back', async () => {
    const runtime = createVirtualRuntime();
    const ledger = createMemoryLedger(runtime);
    const wanted: LedgerScope = {
      key: 'k',
      unit: 'requests',
      amount: 1,
      hold: 1,
      mode: 'block',
      windowMs: 60_000,
    };
    await ledger.reserve('one', [wanted], 1_000);
    await ledger.settle('one', [1]);
    runtime.shiftClock(-3_600_000);
    expect((await ledger.reserve('two', [wanted], 1_000)).granted).toBe(false);
    expect((await ledger.peek([wanted]))[0]?.used).toBe(1);
  });
});

describe('the memory ledger beside a trivial one', () => {
  const scopes = (): fc.Arbitrary<LedgerScope> =>
    fc
      .record({
        index: fc.integer({ min: 0, max: 3 }),
        hold: fc.integer({ min: 0, max: 6 }),
        mode: fc.constantFrom('block' as const, 'block' as const, 'warn' as const),
        amount: fc.integer({ min: 0, max: 12 }),
      })
      .map(({ index, ...rest }) => ({ ...(kinds[index] as LedgerScope), key: `k${index}`, ...rest }));
  const kinds = [
    { unit: 'tokens', windowMs: 10_000 },
    { unit: 'usd', windowMs: 4_000 },
    { unit: 'tokens' },
    { unit: 'parallel' },
  ] as LedgerScope[];

  type Step =
    | { do: 'reserve'; id: string; scopes: LedgerScope[]; leaseMs: number }
    | { do: 'settle'; id: string; used: number }
    | { do: 'renew'; id: string; leaseMs: number }
    | { do: 'advance'; ms: number };

  const id = fc.integer({ min: 0, max: 12 }).map((number) => `r${number}`);
  const leaseMs = fc.integer({ min: 1, max: 6 }).map((seconds) => seconds * 1_000);
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('reserve' as const),
        id,
        scopes: fc.uniqueArray(scopes(), { selector: ({ key }) => key, maxLength: 4 }),
        leaseMs,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('settle' as const), id, used: fc.integer({ min: 0, max: 9 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), id, leaseMs }) },
    {
      weight: 2,
      arbitrary: fc
        .integer({ min: 1, max: 5 })
        .map((seconds) => ({ do: 'advance' as const, ms: seconds * 1_000 })),
    },
  );

  it('gives the same answers to any sequence of reservations, settlements, renewals and pauses', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const runtime = createVirtualRuntime();
        const ledger = createMemoryLedger(runtime);
        const model = createModel(runtime.now);
        const orders = new Map<string, readonly string[]>();
        for (const one of steps) {
          if (one.do === 'advance') runtime.advance(one.ms);
          else if (one.do === 'renew') {
            await ledger.renew(one.id, one.leaseMs);
            model.renew(one.id, one.leaseMs);
          } else if (one.do === 'settle') {
            const used = { k0: one.used, k1: one.used * 2, k2: one.used };
            const order = orders.get(one.id) ?? [];
            await ledger.settle(
              one.id,
              order.map((key) => used[key as keyof typeof used]),
            );
            model.settle(one.id, used);
          } else {
            if (!orders.has(one.id))
              orders.set(
                one.id,
                one.scopes.map(({ key }) => key),
              );
            const result = await ledger.reserve(one.id, one.scopes, one.leaseMs);
            expect(result.granted).toBe(model.reserve(one.id, one.scopes, one.leaseMs));
          }
          const all = kinds.map((kind, index) => ({
            ...kind,
            key: `k${index}`,
            amount: 12,
            mode: 'block' as const,
          }));
          const states = await ledger.peek(all);
          expect(states.map(({ used, held }) => [used, held])).toEqual(
            all.map((scope) => model.state(scope)),
          );
        }
      }),
      { numRuns: 400 },
    );
  });

  /** One list of reservations; every figure is a sum over it. */
  function createModel(now: () => number) {
    interface Entry {
      key: string;
      unit: string;
      window: number;
      hold: number;
      used: number | undefined;
    }
    const reservations = new Map<string, { granted: boolean; expiresAtMs: number; entries: Entry[] }>();
    const windowOf = ({ windowMs }: Pick<LedgerScope, 'windowMs'>) =>
      windowMs === undefined ? 0 : Math.floor(now() / windowMs);
    const state = (scope: Omit<LedgerScope, 'hold'>): [number, number] => {
      const entries = [...reservations.values()]
        .flatMap((reservation) => reservation.entries)
        .filter(({ key, window }) => key === scope.key && window === windowOf(scope));
      const sum = (of: (entry: Entry) => number) => entries.reduce((total, entry) => total + of(entry), 0);
      return [sum(({ used }) => used ?? 0), sum(({ used, hold }) => (used === undefined ? hold : 0))];
    };
    const close = (entries: Entry[], usedOf: (entry: Entry) => number) => {
      for (const entry of entries) entry.used ??= usedOf(entry);
    };
    return {
      state,
      reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): boolean {
        const known = reservations.get(id);
        if (known) return known.granted;
        // leases are looked at when somebody wants something
        for (const { entries, expiresAtMs } of reservations.values()) {
          if (expiresAtMs <= now()) close(entries, ({ unit, hold }) => (unit === 'parallel' ? 0 : hold));
        }
        const granted = scopes.every((scope) => {
          const [used, held] = state(scope);
          return scope.mode === 'warn' || used + held + scope.hold <= scope.amount;
        });
        const entries = scopes.map((scope) => ({ ...scope, window: windowOf(scope), used: undefined }));
        reservations.set(id, {
          granted,
          expiresAtMs: now() + leaseMs,
          entries: granted ? entries : [],
        });
        return granted;
      },
      renew(id: string, leaseMs: number) {
        const found = reservations.get(id);
        if (found) found.expiresAtMs = now() + leaseMs;
      },
      settle(id: string, used: Record<string, number>) {
        close(reservations.get(id)?.entries ?? [], ({ key }) => used[key] ?? 0);
      },
    };
  }
});

describe('the contract of ledgers', () => {
  it('has cases with names of their own', () => {
    expect(new Set(ledgerContract.map(({ name }) => name)).size).toBe(ledgerContract.length);
  });

  const pause = () => new Promise((resolve) => setImmediate(resolve));

  it.each<[string, string, (ledger: Ledger) => Ledger]>([
    [
      'reads first and writes later',
      'thousand concurrent',
      (ledger) => {
        const states = (scopes: readonly LedgerScope[]) => ledger.peek(scopes);
        return {
          ...ledger,
          async reserve(id, scopes, leaseMs) {
            const found = await states(scopes);
            await pause();
            const full = found.findIndex(({ used, held, amount }, index) => {
              const { hold, mode } = scopes[index] as LedgerScope;
              return mode === 'block' && used + held + hold > amount;
            });
            if (full >= 0) return ledger.reserve(id, scopes, leaseMs);
            return ledger.reserve(
              id,
              scopes.map((scope) => ({ ...scope, mode: 'warn' as const })),
              leaseMs,
            );
          },
        };
      },
    ],
    [
      'holds scope by scope',
      'holds of no scope when one',
      (ledger) => ({
        ...ledger,
        async reserve(id, scopes, leaseMs) {
          for (const scope of scopes) {
            const result = await ledger.reserve(`${id} ${scope.key}`, [scope], leaseMs);
            if (!result.granted) return ledger.reserve(id, scopes, leaseMs);
          }
          return ledger.reserve(id, scopes, leaseMs);
        },
      }),
    ],
    [
      'takes a repeated id for a new one',
      'answers a repeated id with the first answer and holds',
      (ledger) => {
        let count = 0;
        return { ...ledger, reserve: (id, scopes, ms) => ledger.reserve(`${id} ${count++}`, scopes, ms) };
      },
    ],
    [
      'forgets its denials',
      'denied with the denial',
      (ledger) => {
        let count = 0;
        return {
          ...ledger,
          async reserve(id, scopes, ms) {
            const states = await ledger.peek(scopes);
            const isFull = states.some(
              ({ used, held, amount }, index) => used + held + (scopes[index]?.hold ?? 0) > amount,
            );
            return ledger.reserve(isFull ? `denied ${count++}` : id, scopes, ms);
          },
        };
      },
    ],
    [
      'never settles',
      'replaces the holds by what was used',
      (ledger) => ({ ...ledger, settle: async () => undefined }),
    ],
    [
      'settles with the hold',
      'less or more than held',
      (ledger) => ({ ...ledger, settle: (id) => ledger.settle(id, [300, 300]) }),
    ],
    [
      'never renews',
      'for as long as it is renewed',
      (ledger) => ({ ...ledger, renew: async () => undefined }),
    ],
    [
      'denies in warn mode',
      'never denies in warn mode',
      (ledger) => ({
        ...ledger,
        reserve: (id, scopes, ms) =>
          ledger.reserve(
            id,
            scopes.map((scope) => ({ ...scope, mode: 'block' as const })),
            ms,
          ),
      }),
    ],
    [
      'holds while reading',
      'holds nothing and remembers nothing',
      (ledger) => ({
        ...ledger,
        async peek(scopes) {
          const { scopes: states } = await ledger.reserve(
            `${Math.random()}`,
            scopes.map((scope) => ({ ...scope, hold: 1 })),
            1_000,
          );
          return states;
        },
      }),
    ],
    [
      'has leases without end',
      'neither settled nor renewed',
      (ledger) => ({ ...ledger, reserve: (id, scopes) => ledger.reserve(id, scopes, 1e12) }),
    ],
    [
      'has windows without end',
      'begins a window anew',
      (ledger) => ({
        ...ledger,
        reserve: (id, scopes, ms) =>
          ledger.reserve(
            id,
            scopes.map(({ windowMs: _, ...rest }) => rest),
            ms,
          ),
      }),
    ],
    [
      'ignores case in keys',
      'apart by their whole key',
      (ledger) => ({
        ...ledger,
        reserve: (id, scopes, ms) =>
          ledger.reserve(
            id,
            scopes.map((scope) => ({ ...scope, key: scope.key.toLowerCase() })),
            ms,
          ),
      }),
    ],
  ])('fails on a ledger that %s', async (_, part, wrap) => {
    const failed: string[] = [];
    for (const { name, run } of ledgerContract) {
      await run(createHarness(wrap)).catch(() => failed.push(name));
    }
    expect(failed).toEqual(expect.arrayContaining([expect.stringContaining(part)]));
  });
});
