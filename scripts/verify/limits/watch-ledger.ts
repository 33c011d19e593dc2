import type { Awaitable, Ledger, LedgerScope, ReserveResult } from '../../../src/limits/ledger.ts';
import { clockMs } from './clock.ts';
import type { AnswerEntry, Journal, ScopeEntry } from './entries.ts';
import { duplicateReserves, duplicateSettles, usualTiming } from './settings.ts';

/** What a watched ledger needs besides the ledger. */
export interface WatchOptions {
  readonly journal: Journal;
  /** Told of every scope in every new bucket. */
  readonly onScope: (scope: ScopeEntry) => void;
  /** Whether the process that it stands for was killed: then nothing reaches the ledger any more. */
  readonly isKilled?: () => boolean;
  /** Whether the ledger answers settlements before they are made, as when its store fails. */
  readonly areSettlementsLate?: () => boolean;
  /** No lease is longer. */
  readonly longestLeaseMs?: number;
}

const never = new Promise<never>(() => undefined);

/**
 * The ledger as a gateway sees it, with a journal of all that is asked and answered, short leases, and clients that are as
 * bad as clients are: some reservations are made twice at once, some settlements again with other amounts.
 */
export function watchLedger(inner: Ledger, options: WatchOptions): Ledger {
  const { journal, onScope, isKilled, areSettlementsLate } = options;
  const { longestLeaseMs = usualTiming.leaseMs } = options;
  const numbers = new Map<string, number>();

  function numberOf({ key, amount, mode, span }: LedgerScope): number {
    const name = `${span.bucket} ${amount} ${key}`;
    const known = numbers.get(name);
    if (known !== undefined) return known;
    const number = numbers.size;
    numbers.set(name, number);
    const scope: ScopeEntry = { kind: 'scope', number, key, amount, mode, span };
    journal.write(scope);
    onScope(scope);
    return number;
  }

  function note(id: string, result: ReserveResult | undefined, isAtOnce: boolean): void {
    const { kind: answer = 'failed' } = result ?? {};
    const denied = result?.kind === 'denied' ? { deniedAt: result.deniedAt } : {};
    const entry: AnswerEntry = { kind: 'answer', id, atMs: clockMs(), answer, isAtOnce, ...denied };
    journal.write(entry);
  }

  function compare(id: string, one: ReserveResult, other: ReserveResult): void {
    // in between a window may have ended
    if (one.kind === 'stale' || other.kind === 'stale' || one.kind === other.kind) return;
    journal.write({ kind: 'odd', id, what: `${one.kind}, then ${other.kind}` });
  }

  async function awaitBoth(
    id: string,
    first: Awaitable<ReserveResult>,
    second: Awaitable<ReserveResult> | undefined,
  ): Promise<ReserveResult> {
    const [one, other] = await Promise.allSettled([first, second]);
    if (isKilled?.()) return never;
    if (one.status === 'rejected') {
      note(id, undefined, false);
      throw one.reason;
    }
    note(id, one.value, false);
    if (other.status === 'fulfilled' && other.value) compare(id, one.value, other.value);
    return one.value;
  }

  return {
    nowMs: () => inner.nowMs(),
    peek: (scopes) => inner.peek(scopes),
    reserve(id, scopes, askedMs) {
      if (isKilled?.()) return never;
      const leaseMs = Math.min(askedMs, longestLeaseMs);
      const parts = scopes.map((scope) => [numberOf(scope), scope.hold, scope.charge] as const);
      const [atMs, wallMs] = [clockMs(), inner.nowMs()];
      journal.write({ kind: 'reserve', id, atMs, wallMs, leaseMs, scopes: parts });
      const isTwice = Math.random() < duplicateReserves;
      let first: Awaitable<ReserveResult>;
      let second: Awaitable<ReserveResult> | undefined;
      try {
        first = inner.reserve(id, scopes, leaseMs);
        if (isTwice) second = inner.reserve(id, scopes, leaseMs);
      } catch (error) {
        note(id, undefined, true);
        throw error;
      }
      if (first instanceof Promise || second instanceof Promise) return awaitBoth(id, first, second);
      note(id, first, true);
      if (second) compare(id, first, second);
      return first;
    },
    renew(id, askedMs, charges) {
      if (isKilled?.()) return never;
      const leaseMs = Math.min(askedMs, longestLeaseMs);
      journal.write({ kind: 'renew', id, atMs: clockMs(), leaseMs, ...(charges && { charges }) });
      return inner.renew(id, leaseMs, charges);
    },
    settle(id, used) {
      if (isKilled?.()) return never;
      journal.write({ kind: 'settle', id, atMs: clockMs(), used });
      const finish = (): Awaitable<void> => {
        if (isKilled?.()) return never;
        if (!areSettlementsLate?.()) journal.write({ kind: 'settled', id, atMs: clockMs() });
        if (Math.random() >= duplicateSettles) return undefined;
        const other = used.map((amount) => amount + 99);
        return inner.settle(id, other);
      };
      const settling = inner.settle(id, used);
      return settling instanceof Promise ? settling.then(finish) : finish();
    },
  };
}
