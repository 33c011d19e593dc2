import type { Ledger, LedgerScope, ScopeState } from 'headgate';

const pause = () => new Promise((resolve) => setImmediate(resolve));

const isFull = (states: readonly ScopeState[], scopes: readonly LedgerScope[]) =>
  states.some(({ used, held, amount }, index) => {
    const { mode, hold } = scopes[index] as LedgerScope;
    return mode === 'block' && used + held + hold > amount;
  });

/** Asks with other scopes than it was given. */
const asking =
  (change: (scope: LedgerScope) => LedgerScope) =>
  (ledger: Ledger): Ledger => ({
    ...ledger,
    reserve: (id, scopes, ms) => ledger.reserve(id, scopes.map(change), ms),
  });

/** Settles what has expired in its own way. */
const lateSettling =
  (settleLate: (ledger: Ledger, id: string, used: readonly number[]) => Promise<void>) =>
  (ledger: Ledger): Ledger => ({
    ...ledger,
    async settle(id, used) {
      const isHeld = await ledger.renew(id, 60_000);
      await (isHeld ? ledger.settle(id, used) : settleLate(ledger, id, used));
    },
  });

/** What is wrong with a ledger, a part of the name of a case that must fail on it, and how it is made wrong. */
export type Mutant = readonly [
  what: string,
  failing: string,
  wrap: (ledger: Ledger, isAway: () => boolean) => Ledger,
];

/** Ledgers that each break the contract in one way. */
export const mutants: readonly Mutant[] = [
  [
    'takes any lease for one',
    'or a lease below it',
    (ledger) => ({
      ...ledger,
      reserve: (id, scopes, ms) => ledger.reserve(id, scopes, ms >= 0 ? ms : 0),
      renew: (id, ms, charges) => ledger.renew(id, ms >= 0 ? ms : 0, charges),
    }),
  ],
  [
    'reads first and writes later',
    'never grants more than the amount to a thousand concurrent',
    (ledger) => ({
      ...ledger,
      async reserve(id, scopes, ms) {
        const states = await ledger.peek(scopes);
        await pause();
        if (isFull(states, scopes)) return ledger.reserve(id, scopes, ms);
        return ledger.reserve(
          id,
          scopes.map((scope) => ({ ...scope, mode: 'count' as const })),
          ms,
        );
      },
    }),
  ],
  [
    'holds scope by scope',
    'holds of no scope when one',
    (ledger) => ({
      ...ledger,
      async reserve(id, scopes, ms) {
        for (const scope of scopes) {
          const result = await ledger.reserve(`${id} ${scope.key}`, [scope], ms);
          if (result.kind !== 'granted') break;
        }
        return ledger.reserve(id, scopes, ms);
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
    'takes an id that was settled for a new one',
    'first answer after it was settled too',
    (ledger) => {
      const rounds = new Map<string, number>();
      const of = (id: string) => `${id} ${rounds.get(id) ?? 0}`;
      return {
        ...ledger,
        reserve: (id, scopes, ms) => ledger.reserve(of(id), scopes, ms),
        renew: (id, ms, charges) => ledger.renew(of(id), ms, charges),
        async settle(id, used) {
          await ledger.settle(of(id), used);
          rounds.set(id, (rounds.get(id) ?? 0) + 1);
        },
      };
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
          return ledger.reserve(isFull(states, scopes) ? `denied ${count++}` : id, scopes, ms);
        },
      };
    },
  ],
  ['never settles', 'replaces the holds by what was used', (ledger) => ({ ...ledger, settle() {} })],
  [
    'settles with the hold',
    'less or more than held',
    (ledger) => ({ ...ledger, settle: (id) => ledger.settle(id, [300, 300]) }),
  ],
  ['never renews', 'for as long as it is renewed', (ledger) => ({ ...ledger, renew: () => true })],
  [
    'says of every renewal that it is held',
    'tells in renew whether',
    (ledger) => ({
      ...ledger,
      async renew(id, ms, charges) {
        await ledger.renew(id, ms, charges);
        return true;
      },
    }),
  ],
  [
    'ignores the charges of a renewal',
    'replaces the charges',
    (ledger) => ({ ...ledger, renew: (id, ms) => ledger.renew(id, ms) }),
  ],
  [
    'never makes a lease shorter',
    'no longer than it was renewed last',
    (ledger) => ({ ...ledger, renew: (id, ms, charges) => ledger.renew(id, Math.max(ms, 600_000), charges) }),
  ],
  ['denies in count mode', 'never denies in count mode', asking((scope) => ({ ...scope, mode: 'block' }))],
  [
    'holds while reading',
    'holds nothing and remembers nothing',
    (ledger) => ({
      ...ledger,
      async peek(scopes) {
        const states = await ledger.peek(scopes);
        const holds = scopes.map((scope) => ({ ...scope, hold: 1, charge: 1, mode: 'count' as const }));
        await ledger.reserve(`${Math.random()}`, holds, 60_000);
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
    'counts nothing for what expires',
    'counts its charge, scope by scope',
    asking((scope) => ({ ...scope, charge: 0 })),
  ],
  [
    'counts the hold of what expires',
    'counts its charge, scope by scope',
    asking((scope) => ({ ...scope, charge: scope.hold })),
  ],
  ['ignores a late settlement', 'corrects the charge of an expiry', lateSettling(async () => undefined)],
  [
    'settles late in the bucket of the day',
    'corrects it, in the bucket of the reservation',
    (ledger) => {
      const known = new Map<string, readonly LedgerScope[]>();
      const newest = new Map<string, LedgerScope>();
      let count = 0;
      return lateSettling(async (inner, id, used) => {
        const scopes = known.get(id);
        known.delete(id);
        if (!scopes) return;
        const moved = scopes.map((scope) => ({
          ...(newest.get(scope.key) ?? scope),
          mode: 'count' as const,
        }));
        await inner.settle(id, []);
        await inner.reserve(`late ${count}`, moved, 60_000);
        await inner.settle(`late ${count++}`, used);
      })({
        ...ledger,
        async reserve(id, scopes, ms) {
          const result = await ledger.reserve(id, scopes, ms);
          if (result.kind === 'granted') known.set(id, scopes);
          for (const scope of scopes) newest.set(scope.key, scope);
          return result;
        },
      });
    },
  ],
  [
    'adds a late settlement to the charge',
    'corrects the charge of an expiry',
    (ledger) => {
      const charges = new Map<string, readonly number[]>();
      return lateSettling(async (inner, id, used) => {
        const charged = charges.get(id) ?? [];
        await inner.settle(
          id,
          charged.map((charge, index) => charge + (used[index] ?? 0)),
        );
      })({
        ...ledger,
        reserve(id, scopes, ms) {
          charges.set(
            id,
            scopes.map(({ charge }) => charge),
          );
          return ledger.reserve(id, scopes, ms);
        },
      });
    },
  ],
  [
    'takes stale spans',
    'finds a span stale',
    asking((scope) => ({ ...scope, span: { ...scope.span, fromMs: 0, untilMs: Number.POSITIVE_INFINITY } })),
  ],
  [
    'remembers what was stale',
    'finds a span stale',
    (ledger) => {
      const stale = new Map<string, Awaited<ReturnType<Ledger['reserve']>>>();
      return {
        ...ledger,
        async reserve(id, scopes, ms) {
          const result = stale.get(id) ?? (await ledger.reserve(id, scopes, ms));
          if (result.kind === 'stale') stale.set(id, result);
          return result;
        },
      };
    },
  ],
  [
    'sees one bucket of a rolling window',
    'adds up what is used in the buckets',
    (ledger) => {
      const narrow = <Scope extends Pick<LedgerScope, 'span'>>(scope: Scope): Scope => ({
        ...scope,
        span: { ...scope.span, buckets: [scope.span.bucket] },
      });
      return {
        ...ledger,
        reserve: (id, scopes, ms) => ledger.reserve(id, scopes.map(narrow), ms),
        peek: (scopes) => ledger.peek(scopes.map(narrow)),
      };
    },
  ],
  [
    'never lets a bucket go',
    'adds up what is used in the buckets',
    (ledger) => {
      const widen = <Scope extends Pick<LedgerScope, 'span'>>(scope: Scope): Scope => ({
        ...scope,
        span: { ...scope.span, bucket: 0, buckets: [0] },
      });
      return {
        ...ledger,
        reserve: (id, scopes, ms) => ledger.reserve(id, scopes.map(widen), ms),
        peek: (scopes) => ledger.peek(scopes.map(widen)),
      };
    },
  ],
  [
    'ignores case in keys',
    'apart by their whole key',
    asking((scope) => ({ ...scope, key: scope.key.toLowerCase() })),
  ],
  [
    'loses digits of large numbers',
    'largest safe integer',
    asking((scope) => ({ ...scope, hold: Number(scope.hold.toPrecision(14)) })),
  ],
  [
    'rounds a hold that it cannot take',
    'throws a TypeError for a hold or charge',
    asking((scope) => ({ ...scope, hold: Math.floor(scope.hold) })),
  ],
  [
    'takes a use that is no number for none',
    'throws a TypeError for a use or a renewed charge',
    (ledger) => ({
      ...ledger,
      settle: (id, used) =>
        ledger.settle(
          id,
          used.map((each) => (Number.isSafeInteger(each) && each >= 0 ? each : 0)),
        ),
    }),
  ],
  [
    'counts no use beyond a thousand times the hold',
    'uses far beyond what was held',
    (ledger) => ({
      ...ledger,
      settle: (id, used) =>
        ledger.settle(
          id,
          used.map((each) => Math.min(each, 10_000)),
        ),
    }),
  ],
  [
    'goes on counting in the window in which a scope was first asked for',
    'a thousand requests across the end of a window',
    (ledger) => {
      const first = new Map<string, LedgerScope['span']>();
      return asking((scope) => {
        const span = first.get(scope.key) ?? scope.span;
        first.set(scope.key, span);
        return { ...scope, span: { ...scope.span, bucket: span.bucket, buckets: [span.bucket] } };
      })(ledger);
    },
  ],
  [
    'posts what is settled to the window of the day',
    'posts what was in flight as its window ended',
    (ledger) => {
      const known = new Map<string, readonly LedgerScope[]>();
      const newest = new Map<string, LedgerScope>();
      return {
        ...ledger,
        async reserve(id, scopes, ms) {
          const result = await ledger.reserve(id, scopes, ms);
          if (result.kind === 'granted') known.set(id, scopes);
          for (const scope of scopes) newest.set(scope.key, scope);
          return result;
        },
        async settle(id, used) {
          const scopes = known.get(id)?.map((scope) => newest.get(scope.key) ?? scope);
          await ledger.settle(id, []);
          if (!scopes || !known.delete(id)) return;
          await ledger.reserve(`${id} moved`, scopes, 60_000);
          await ledger.settle(`${id} moved`, used);
        },
      };
    },
  ],
  [
    'joins two scopes with one key',
    'throws a TypeError for two scopes',
    (ledger) => ({
      ...ledger,
      reserve: (id, scopes, ms) =>
        ledger.reserve(id, [...new Map(scopes.map((scope) => [scope.key, scope])).values()], ms),
    }),
  ],
  [
    'has a clock that goes back',
    'never goes back',
    (ledger) => {
      let back = 0;
      return { ...ledger, nowMs: () => ledger.nowMs() - back++ * 1_000 };
    },
  ],
  [
    'tells in renew that nothing is held while its store is away',
    'throws while the store cannot tell',
    (ledger) => ({
      ...ledger,
      renew: async (id, ms, charges) => (await orElse(ledger.renew(id, ms, charges))) ?? false,
    }),
  ],
  [
    'grants while its store is away',
    'gives every call up by itself',
    (ledger) => ({
      ...ledger,
      reserve: async (id, scopes, ms) =>
        (await orElse(ledger.reserve(id, scopes, ms))) ?? { kind: 'granted', scopes: [] },
    }),
  ],
  [
    'waits as long as its store is away',
    'gives every call up by itself',
    (ledger, isAway) => ({
      ...ledger,
      peek: (scopes) => (isAway() ? new Promise(() => undefined) : ledger.peek(scopes)),
    }),
  ],
  [
    'settles twice what it settled while its store was away',
    'exact when it is back',
    (ledger) => {
      const known = new Map<string, readonly LedgerScope[]>();
      const waiting: [id: string, used: readonly number[]][] = [];
      return {
        ...ledger,
        async reserve(id, scopes, ms) {
          const result = await ledger.reserve(id, scopes, ms);
          known.set(id, scopes);
          return result;
        },
        async settle(id, used) {
          try {
            await ledger.settle(id, used);
          } catch {
            waiting.push([id, used]);
            return;
          }
          for (const [late, amounts] of waiting.splice(0)) {
            await ledger.reserve(`${late} again`, known.get(late) ?? [], 60_000);
            await ledger.settle(`${late} again`, amounts);
          }
        },
      };
    },
  ],
];

async function orElse<Value>(call: Value | Promise<Value>): Promise<Value | undefined> {
  return Promise.resolve(call).catch(() => undefined);
}
