import type { Runtime } from '../../runtime.ts';
import { createMemoryLedger } from '../../stores/memory/memory-ledger.ts';
import type { Ledger, LedgerScope, ReserveResult, ScopeState } from '../ledger.ts';
import type { Journal } from './journal.ts';

/**
 * What happens to a scope while its ledger is unavailable: `closed` refuses, `open` grants, `degraded` grants a part of
 * the amount on this node alone.
 */
export type FailureMode = 'closed' | 'open' | 'degraded' | { readonly degraded: number };

interface Held {
  readonly scopes: readonly LedgerScope[];
  /** Which of them the local ledger holds. */
  readonly local: readonly number[];
  readonly result: ReserveResult;
  charges: readonly number[] | undefined;
  untilMs: number;
}

/** Decides in place of an unavailable ledger. */
export interface Fallback {
  /** `undefined` if a scope is closed. */
  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): ReserveResult | undefined;
  find(id: string): ReserveResult | undefined;
  /** `undefined` for an id that was not reserved here. */
  renew(id: string, leaseMs: number, charges?: readonly number[]): boolean | undefined;
  /** @returns whether it was reserved here, settled or not */
  settle(id: string, used: readonly number[]): boolean;
  readonly open: number;
  /** Whether it knows any id. */
  readonly isUsed: boolean;
  /** Ends reservations whose lease has run out: what they charge counts as used. */
  sweep(): void;
  readonly granted: { readonly degraded: number; readonly open: number };
}

/** @param maxOpen open reservations; above this many new ones are treated as closed */
export function createFallback(options: {
  readonly ledger: Ledger;
  readonly runtime: Runtime;
  readonly journal: Journal;
  /** How many nodes share the limits. */
  readonly nodes: () => number;
  readonly maxOpen: number;
  readonly policyOf: (scope: LedgerScope) => FailureMode;
}): Fallback {
  const { ledger, runtime, journal, nodes, maxOpen, policyOf } = options;
  // windows and leases by the clock that the spans were made with
  const clock: Runtime = {
    now: () => ledger.nowMs(),
    monotonicMs: () => runtime.monotonicMs(),
    random: () => runtime.random(),
    randomBytes: (length) => runtime.randomBytes(length),
    newId: () => runtime.newId(),
    schedule: (delayMs, action) => runtime.schedule(delayMs, action),
  };
  const local = createMemoryLedger(clock);
  const held = new Map<string, Held>();
  const ended = new Map<string, ReserveResult>();
  const granted = { degraded: 0, open: 0 };

  function toLocal(scope: LedgerScope, mode: FailureMode): LedgerScope {
    const part = typeof mode === 'object' ? mode.degraded : 1 / nodes();
    // an amount of one cannot be divided
    const amount = Math.max(Math.min(1, scope.amount), Math.floor(scope.amount * part));
    return { ...scope, amount };
  }

  function remember(id: string, result: ReserveResult): void {
    ended.set(id, result);
    if (ended.size > maxEnded) ended.delete(ended.keys().next().value as string);
  }

  function sweep(nowMs: number): void {
    for (const [id, entry] of held) {
      if (entry.untilMs > nowMs) continue;
      end(id, entry, entry.charges ?? entry.scopes.map(({ charge }) => charge));
    }
  }

  function end(id: string, { scopes, local: places, result }: Held, used: readonly number[]): void {
    held.delete(id);
    remember(id, result);
    if (places.length > 0) {
      const settling = places.map((place) => used[place] ?? 0);
      void local.settle(id, settling);
    }
    if (used.some((one) => one > 0)) journal.add(`${id}/fallback`, scopes, used);
  }

  return {
    reserve(id, scopes, leaseMs) {
      const modes = scopes.map(policyOf);
      if (modes.includes('closed')) return undefined;
      const nowMs = ledger.nowMs();
      if (scopes.some(({ span }) => nowMs < span.fromMs || nowMs >= span.untilMs))
        return { kind: 'stale', nowMs };
      if (held.size >= maxOpen) {
        sweep(nowMs);
        if (held.size >= maxOpen) return undefined;
      }
      const places = scopes.flatMap((_, index) => (modes[index] === 'open' ? [] : [index]));
      const asked = places.map((place) => toLocal(scopes[place] as LedgerScope, modes[place] as FailureMode));
      // a memory ledger answers at once
      const answer = (places.length > 0 ? local.reserve(id, asked, leaseMs) : nothing) as ReserveResult;
      if (answer.kind === 'stale') return answer;
      const states = scopes.map(({ key, hold, amount }, index): ScopeState => {
        const place = places.indexOf(index);
        return answer.scopes[place] ?? { key, used: 0, held: hold, amount };
      });
      if (answer.kind === 'denied') {
        const deniedAt = places[answer.deniedAt] as number;
        const result: ReserveResult = { kind: 'denied', deniedAt, scopes: states, withoutLedger: true };
        remember(id, result);
        return result;
      }
      const result: ReserveResult = { kind: 'granted', scopes: states, withoutLedger: true };
      held.set(id, { scopes, local: places, result, charges: undefined, untilMs: nowMs + leaseMs });
      if (places.length > 0) granted.degraded++;
      else granted.open++;
      return result;
    },
    find: (id) => held.get(id)?.result ?? ended.get(id),
    renew(id, leaseMs, charges) {
      const entry = held.get(id);
      if (!entry) return ended.has(id) ? false : undefined;
      entry.untilMs = ledger.nowMs() + leaseMs;
      if (charges) {
        entry.charges = entry.scopes.map(({ charge }, at) => charges[at] ?? entry.charges?.[at] ?? charge);
      }
      if (entry.local.length > 0) {
        void local.renew(
          id,
          leaseMs,
          entry.local.map((place) => entry.charges?.[place] ?? (entry.scopes[place] as LedgerScope).charge),
        );
      }
      return true;
    },
    settle(id, used) {
      const entry = held.get(id);
      // a second settlement changes nothing, here or there
      if (!entry) return ended.has(id);
      end(id, entry, used);
      return true;
    },
    get open() {
      return held.size;
    },
    get isUsed() {
      return held.size > 0 || ended.size > 0;
    },
    sweep: () => sweep(ledger.nowMs()),
    granted,
  };
}

/** Settled and denied ids remembered, the newest. */
const maxEnded = 10_000;

const nothing: ReserveResult = { kind: 'granted', scopes: [] };
