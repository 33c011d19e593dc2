import * as fc from 'fast-check';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import type { LedgerScope, ReserveResult, ScopeState, Span } from '../../src/limits/ledger.ts';
import { createFixedWindow, createRollingWindow, lifetimeWindow } from '../../src/limits/window.ts';
import { createMemoryLedger } from '../../src/stores/memory/memory-ledger.ts';

type Kind = { key: string; spanAt: (nowMs: number) => Span; isSlot?: boolean };

const createKinds = (): Kind[] => [
  { key: 'fixed', spanAt: createFixedWindow('10s', 10_000).spanAt },
  { key: 'rolling', spanAt: createRollingWindow('12s', 12_000, 4).spanAt },
  { key: 'fine', spanAt: createRollingWindow('5s', 5_000).spanAt },
  { key: 'lifetime', spanAt: lifetimeWindow.spanAt },
  { key: 'slots', spanAt: lifetimeWindow.spanAt, isSlot: true },
];

interface Asked {
  readonly kind: number;
  readonly amount: number;
  readonly hold: number;
  readonly charge: number;
  readonly mode: 'block' | 'count';
  /** How far the asker's clock is from the ledger's. */
  readonly skewMs: number;
}

type Step =
  | {
      readonly do: 'reserve';
      readonly id: string;
      readonly asked: readonly Asked[];
      readonly leaseMs: number;
    }
  | { readonly do: 'settle'; readonly id: string; readonly used: readonly number[] }
  | {
      readonly do: 'renew';
      readonly id: string;
      readonly leaseMs: number;
      readonly charges: readonly number[] | undefined;
    }
  | { readonly do: 'advance'; readonly ms: number };

const amount = fc.nat({ max: 9 });
const id = fc.nat({ max: 9 }).map((number) => `r${number}`);
const leaseMs = fc.integer({ min: 1, max: 9_000 });
const asked: fc.Arbitrary<Asked> = fc.record({
  kind: fc.nat({ max: 4 }),
  amount: fc.nat({ max: 25 }),
  hold: amount,
  charge: amount,
  mode: fc.constantFrom('block', 'block', 'block', 'count'),
  skewMs: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.constantFrom(-3_000, 700, 11_000)),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      id,
      asked: fc.uniqueArray(asked, { selector: ({ kind }) => kind, maxLength: 5 }),
      leaseMs,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      id,
      used: fc.array(amount, { maxLength: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('renew' as const),
      id,
      leaseMs,
      charges: fc.option(fc.array(amount, { minLength: 5, maxLength: 5 }), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.oneof(fc.nat({ max: 4_000 }), fc.constantFrom(1, 10_000, 100_000)),
    }),
  },
);

interface Entry {
  readonly scope: LedgerScope;
  charge: number;
  held: number;
  used: number;
}

interface Reservation {
  readonly result: ReserveResult;
  readonly entries: Entry[];
  kind: 'held' | 'expired' | 'ended';
  expiresAtMs: number;
}

/** A ledger as plain as can be: one list of reservations, and every figure a sum over it. */
function createModel(now: () => number) {
  const reservations = new Map<string, Reservation>();

  const expire = () => {
    for (const reservation of reservations.values()) {
      if (reservation.kind !== 'held' || reservation.expiresAtMs > now()) continue;
      reservation.kind = 'expired';
      for (const entry of reservation.entries) {
        entry.held = 0;
        entry.used = entry.charge;
      }
    }
  };
  const read = ({ key, amount, span }: Pick<LedgerScope, 'key' | 'amount' | 'span'>): ScopeState => {
    const entries = [...reservations.values()]
      .flatMap((reservation) => reservation.entries)
      .filter(({ scope }) => scope.key === key && span.buckets.includes(scope.span.bucket));
    const sum = (of: (entry: Entry) => number) => entries.reduce((total, entry) => total + of(entry), 0);
    return { key, used: sum(({ used }) => used), held: sum(({ held }) => held), amount };
  };

  return {
    peek(scopes: readonly LedgerScope[]): ScopeState[] {
      expire();
      return scopes.map(read);
    },
    reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): ReserveResult {
      expire();
      const known = reservations.get(id);
      if (known) return known.result;
      if (scopes.some(({ span }) => now() < span.fromMs || now() >= span.untilMs)) {
        return { kind: 'stale', nowMs: now() };
      }
      const deniedAt = scopes.findIndex((scope) => {
        const { used, held } = read(scope);
        return scope.mode === 'block' && used + held + scope.hold > scope.amount;
      });
      const entries = scopes.map((scope) => ({ scope, charge: scope.charge, held: scope.hold, used: 0 }));
      const states = scopes.map((scope) => {
        const { held, ...state } = read(scope);
        return { ...state, held: deniedAt < 0 ? held + scope.hold : held };
      });
      const result: ReserveResult =
        deniedAt < 0 ? { kind: 'granted', scopes: states } : { kind: 'denied', deniedAt, scopes: states };
      reservations.set(id, {
        result,
        entries: deniedAt < 0 ? entries : [],
        kind: deniedAt < 0 ? 'held' : 'ended',
        expiresAtMs: now() + leaseMs,
      });
      return result;
    },
    renew(id: string, leaseMs: number, charges?: readonly number[]): boolean {
      expire();
      const found = reservations.get(id);
      if (found?.kind !== 'held') return false;
      found.expiresAtMs = now() + leaseMs;
      for (const [index, entry] of found.entries.entries()) entry.charge = charges?.[index] ?? entry.charge;
      return true;
    },
    settle(id: string, used: readonly number[]): void {
      expire();
      const found = reservations.get(id);
      if (!found || found.kind === 'ended') return;
      found.kind = 'ended';
      for (const [index, entry] of found.entries.entries()) {
        entry.held = 0;
        entry.used = used[index] ?? 0;
      }
    },
  };
}

describe('the memory ledger beside a serial model', () => {
  it('gives the same answers to any sequence of reservations, settlements, renewals and pauses', () => {
    const seen = new Map<string, number>();
    const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const runtime = createVirtualRuntime();
        const ledger = createMemoryLedger(runtime);
        const model = createModel(runtime.now);
        const kinds = createKinds();
        const toScope = ({ kind, skewMs, charge, ...rest }: Asked): LedgerScope => {
          const { key, spanAt, isSlot } = kinds[kind] as Kind;
          return { key, ...rest, charge: isSlot ? 0 : charge, span: spanAt(runtime.now() + skewMs) };
        };
        for (const one of steps) {
          if (one.do === 'advance') runtime.advance(one.ms);
          else if (one.do === 'settle') {
            ledger.settle(one.id, one.used);
            model.settle(one.id, one.used);
          } else if (one.do === 'renew') {
            const isHeld = ledger.renew(one.id, one.leaseMs, one.charges);
            count(`renew ${isHeld}`);
            expect(isHeld).toBe(model.renew(one.id, one.leaseMs, one.charges));
          } else {
            const scopes = one.asked.map(toScope);
            const result = ledger.reserve(one.id, scopes, one.leaseMs);
            count(result.kind);
            expect(result).toEqual(model.reserve(one.id, scopes, one.leaseMs));
          }
          const all = kinds.map((_, kind) =>
            toScope({ kind, amount: 25, hold: 0, charge: 0, mode: 'block', skewMs: 0 }),
          );
          expect(ledger.peek(all)).toEqual(model.peek(all));
        }
      }),
      { numRuns: 600 },
    );
    for (const what of ['granted', 'denied', 'stale', 'renew true', 'renew false']) {
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(100);
    }
  });
});
