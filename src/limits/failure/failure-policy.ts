import type { Awaitable, Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState } from '../ledger.ts';
import { requireCounts } from '../require-count.ts';
import { createLedgerBreaker, type LedgerBreaker } from './breaker.ts';
import { LedgerTimeout, withinDeadline } from './deadline.ts';
import { createFallback, type Fallback } from './fallback.ts';
import { createJournal, type Journal } from './journal.ts';
import {
  type FailurePolicyOptions,
  type FailurePolicyReport,
  type FailureSettings,
  toFailureSettings,
} from './options.ts';
import { createOutbox, type Outbox } from './outbox.ts';

export type { FailureMode } from './fallback.ts';
export type { FailurePolicyChange, FailurePolicyOptions, FailurePolicyReport } from './options.ts';

/** A ledger that goes on when the one behind it does not. */
export interface FailurePolicyLedger extends Ledger {
  report(): FailurePolicyReport;
}

/**
 * Puts a deadline on every call of a ledger, and decides by declared policy when it fails, is late, or is given up.
 *
 * An error is a late answer if its `code`, or that of a cause, is `ETIMEDOUT`, `late`, `overloaded`, `EXPIRED` or `BUSY`.
 *
 * - A request is refused (the call rejects, which becomes 503) when one of its scopes is `closed`.
 * - `degraded` scopes are counted in this node's memory against their part of the amount. All nodes together grant at
 *   most `nodes` times that part beyond the limit in one outage.
 * - `open` scopes are granted. What is granted beyond the limit is what is asked during the outage.
 *
 * What was used without the ledger is kept, bounded, and when the ledger is back posted to buckets that have not ended;
 * a call whose outcome is unknown is settled with nothing. While the ledger is given up, `renew` of its reservations
 * answers `true`, unless it decides in memory; `peek` rejects.
 *
 * @throws TypeError for an option out of its range, naming it
 */
export function createFailurePolicy(options: FailurePolicyOptions): FailurePolicyLedger {
  return new GuardedLedger(options);
}

class GuardedLedger implements FailurePolicyLedger {
  readonly #settings: FailureSettings;
  readonly #ledger: FailurePolicyOptions['ledger'];
  readonly #breaker: LedgerBreaker;
  readonly #outbox: Outbox;
  readonly #journal: Journal;
  readonly #fallback: Fallback;
  readonly #pending = new Map<string, Promise<ReserveResult>>();
  #byLedger = 0;
  #closed = 0;
  #failures = 0;
  #timeouts = 0;
  #changedAtMs: number;
  #cancelPosting: (() => void) | undefined;
  #isClosed = false;

  constructor(options: FailurePolicyOptions) {
    const settings = toFailureSettings(options);
    const { ledger, runtime, maxUnsettled, maxJournal } = settings;
    this.#settings = settings;
    this.#ledger = ledger;
    this.#changedAtMs = runtime.monotonicMs();
    this.#breaker = createLedgerBreaker({ ...settings, onChange: () => this.#changed() });
    this.#outbox = createOutbox({
      ...settings,
      ...{ maxPending: maxUnsettled, maxParallel: 32 },
      onAnswer: (ok, cause) => {
        if (!ok) this.#count(cause);
      },
    });
    this.#journal = createJournal({ ...settings, maxEntries: maxJournal });
    this.#fallback = createFallback({ ...settings, journal: this.#journal });
  }

  nowMs(): number {
    return this.#ledger.nowMs();
  }

  reserve(id: string, scopes: readonly LedgerScope[], leaseMs: number): Awaitable<ReserveResult> {
    if (this.#fallback.isUsed || this.#pending.size > 0) {
      const known = this.#fallback.find(id) ?? this.#pending.get(id);
      if (known) return known;
    }
    const token = this.#breaker.enter();
    if (token === undefined) {
      const result = this.#ledger.reserveInMemory?.(id, scopes, leaseMs);
      if (result === undefined) return this.#decideAlone(id, scopes, leaseMs, this.#breaker.cause);
      this.#byLedger++;
      return result;
    }
    let answer: Awaitable<ReserveResult>;
    try {
      answer = this.#ledger.reserve(id, scopes, leaseMs);
    } catch (cause) {
      if (cause instanceof TypeError) {
        this.#breaker.leave(token);
        throw cause;
      }
      this.#fail(token, cause);
      return this.#decideAlone(id, scopes, leaseMs, cause);
    }
    if (!(answer instanceof Promise)) {
      // decided in memory, which says nothing about what is behind it
      this.#breaker.leave(token);
      this.#byLedger++;
      return answer;
    }
    const deciding = this.#await(token, id, scopes, leaseMs, answer);
    this.#pending.set(id, deciding);
    return deciding;
  }

  async #await(
    token: number,
    id: string,
    scopes: readonly LedgerScope[],
    leaseMs: number,
    answer: Promise<ReserveResult>,
  ): Promise<ReserveResult> {
    try {
      const result = await withinDeadline(
        this.#settings.runtime,
        this.#settings.deadlineMs,
        answer,
        (late) => {
          if (late.kind === 'granted') this.#outbox.send(id, []);
        },
      );
      this.#breaker.succeed(token);
      this.#byLedger++;
      return result;
    } catch (cause) {
      if (cause instanceof TypeError) {
        this.#breaker.leave(token);
        throw cause;
      }
      this.#fail(token, cause);
      // whether it holds anything is unknown: nothing of it will be used
      this.#outbox.send(id, []);
      return await this.#decideAlone(id, scopes, leaseMs, cause);
    } finally {
      this.#pending.delete(id);
    }
  }

  #decideAlone(
    id: string,
    scopes: readonly LedgerScope[],
    leaseMs: number,
    cause: unknown,
  ): Awaitable<ReserveResult> {
    const result = this.#fallback.reserve(id, scopes, leaseMs);
    if (result === undefined) {
      this.#closed++;
      return Promise.reject(
        new Error('The limits cannot be checked: their ledger does not answer.', { cause }),
      );
    }
    if (result.kind === 'granted') this.#postLater();
    return result;
  }

  renew(id: string, leaseMs: number, charges?: readonly number[]): Awaitable<boolean> {
    if (charges) requireCounts(charges, 'A charge');
    const isHeld = this.#fallback.renew(id, leaseMs, charges);
    if (isHeld !== undefined) return isHeld;
    const token = this.#breaker.enter();
    // one that decides in memory ends what nobody renews, even in an outage
    if (token === undefined)
      return this.#ledger.reserveInMemory ? this.#ledger.renew(id, leaseMs, charges) : true;
    return this.#guard(
      token,
      () => this.#ledger.renew(id, leaseMs, charges),
      () => true,
    );
  }

  settle(id: string, used: readonly number[]): void {
    requireCounts(used, 'What was used');
    if (this.#fallback.isUsed && this.#fallback.settle(id, used)) return;
    this.#outbox.send(id, used);
  }

  peek(scopes: readonly ReadScope[]): Awaitable<readonly ScopeState[]> {
    const unavailable = (cause: unknown): never => {
      throw new Error('The limits cannot be read: their ledger does not answer.', { cause });
    };
    const token = this.#breaker.enter();
    if (token === undefined) return Promise.reject(this.#breaker.cause);
    return this.#guard(token, () => this.#ledger.peek(scopes), unavailable);
  }

  #guard<Value>(
    token: number,
    call: () => Awaitable<Value>,
    otherwise: (cause: unknown) => Value,
  ): Awaitable<Value> {
    const fail = (cause: unknown): Value => {
      this.#fail(token, cause);
      return otherwise(cause);
    };
    let answer: Awaitable<Value>;
    try {
      answer = call();
    } catch (cause) {
      return fail(cause);
    }
    if (!(answer instanceof Promise)) {
      this.#breaker.leave(token);
      return answer;
    }
    return withinDeadline(this.#settings.runtime, this.#settings.deadlineMs, answer).then((value) => {
      this.#breaker.succeed(token);
      return value;
    }, fail);
  }

  #fail(token: number, cause: unknown): void {
    this.#count(cause);
    this.#breaker.fail(token, cause);
  }

  #count(cause: unknown): void {
    this.#failures++;
    if (cause instanceof LedgerTimeout) this.#timeouts++;
  }

  #changed(): void {
    const nowMs = this.#settings.runtime.monotonicMs();
    const lastedMs = nowMs - this.#changedAtMs;
    this.#changedAtMs = nowMs;
    const { isOpen, cause } = this.#breaker;
    const report = this.report();
    try {
      if (isOpen) this.#settings.onChange({ state: 'degraded', cause, lastedMs, report });
      else this.#settings.onChange({ state: 'healthy', lastedMs, report });
    } catch {
      // a listener that fails must not fail the request that happened to notice
    }
    this.#postLater();
  }

  /** Posts what was used without the ledger once a call has shown that it is back, with or without requests. */
  #postLater(): void {
    if (this.#cancelPosting || this.#isClosed) return;
    this.#cancelPosting = this.#settings.runtime.schedule(this.#settings.retryMs, () => void this.#post());
  }

  async #post(): Promise<void> {
    this.#fallback.sweep();
    const token = this.#journal.size > 0 ? this.#breaker.enter() : undefined;
    if (token !== undefined) {
      const isPosted = await this.#journal.post(() => this.#breaker.succeed(token));
      if (!isPosted)
        this.#fail(token, new Error('What was used without the ledger could not be posted to it.'));
    }
    // only now: a second posting would join this one, and its token would never be reported on
    this.#cancelPosting = undefined;
    if (this.#journal.size > 0 || this.#fallback.open > 0) this.#postLater();
  }

  report(): FailurePolicyReport {
    const { granted, open } = this.#fallback;
    return {
      state: this.#breaker.isOpen ? 'degraded' : 'healthy',
      sinceMs: this.#settings.runtime.monotonicMs() - this.#breaker.sinceMs,
      decisions: {
        ledger: this.#byLedger,
        degraded: granted.degraded,
        open: granted.open,
        closed: this.#closed,
      },
      nodes: this.#settings.nodes(),
      failures: this.#failures,
      timeouts: this.#timeouts,
      openWithoutLedger: open,
      unposted: this.#journal.size,
      unsettled: this.#outbox.pending,
      lost: this.#outbox.dropped + this.#journal.dropped + this.#journal.lapsed,
    };
  }

  /** Posts what is kept, as far as the ledger takes it within a few deadlines; then closes the ledger. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelPosting?.();
    const postings = this.#journal.post();
    await withinDeadline(this.#settings.runtime, 2 * this.#settings.deadlineMs, postings).catch(() => false);
    await this.#outbox.flush(2 * this.#settings.deadlineMs);
    this.#outbox.stop();
    await this.#ledger.close?.();
  }
}
