import { requireInteger } from '../../keys/option.ts';
import type { Runtime } from '../../runtime.ts';
import type { LeasingLedger } from '../leasing/leasing-ledger.ts';
import type { Awaitable, Ledger, LedgerScope, ReadScope, ReserveResult, ScopeState } from '../ledger.ts';
import { requireCounts } from '../require-count.ts';
import { createLedgerBreaker, type LedgerBreaker } from './breaker.ts';
import { LedgerTimeout, withinDeadline } from './deadline.ts';
import { createFallback, type FailureMode, type Fallback } from './fallback.ts';
import { createJournal, type Journal } from './journal.ts';
import { createOutbox, type Outbox } from './outbox.ts';

export type { FailureMode } from './fallback.ts';

/** What a failure policy is made of, and its bounds. */
export interface FailurePolicyOptions {
  /** Where limits are kept. What it can decide in memory (`reserveInMemory`, see `createLeasingLedger`) it decides in an outage, too. */
  readonly ledger: Ledger & Partial<Pick<LeasingLedger, 'reserveInMemory'>>;
  readonly runtime: Runtime;
  /** What happens to a scope while the ledger cannot be asked. @default every scope is `closed` */
  readonly policyOf?: (scope: LedgerScope) => FailureMode;
  /**
   * How many nodes share the limits, or who knows at the moment: a degraded scope grants 1 / `nodes` of its amount on each,
   * at least 1.
   *
   * @default 1
   */
  readonly nodes?: number | (() => number);
  /** Told when the ledger is given up and when it is back, never for single requests. @default ignored */
  readonly onChange?: (change: FailurePolicyChange) => void;
  /**
   * How long the ledger may take to answer. Over a leasing ledger better twice its own deadline, since what it must ask
   * for may wait for what it asks for others.
   *
   * @default 500
   */
  readonly deadlineMs?: number;
  /** Failures in a row, late answers left out, after which the ledger is not asked any more. @default 3 */
  readonly maxFailures?: number;
  /** Nothing but failures and late answers for this long has the same effect. @default 1_000 */
  readonly maxFailingMs?: number;
  /** Then one call tries it again after this, after twice as long the next time, and so on; a fifth more or less. @default 500 */
  readonly probeMs?: number;
  /** The longest time between two such calls. @default 5_000 */
  readonly openMs?: number;
  /** Reservations open at once that were granted without the ledger; above it scopes are `closed`. @default 100_000 */
  readonly maxOpen?: number;
  /** Uses kept to be posted when the ledger is back; the oldest go first. @default 100_000 */
  readonly maxJournal?: number;
  /** Settlements kept until the ledger takes them; the oldest go first, and their leases charge them. @default 100_000 */
  readonly maxUnsettled?: number;
  /** How often what is kept is tried again. @default 1_000 */
  readonly retryMs?: number;
}

/** The ledger was given up, or is back. */
export interface FailurePolicyChange {
  readonly state: 'degraded' | 'healthy';
  /** Why it was given up. */
  readonly cause?: unknown;
  /** How long the state before lasted. */
  readonly lastedMs: number;
  readonly report: FailurePolicyReport;
}

/** Where a ledger stands, and what was decided without it. */
export interface FailurePolicyReport {
  readonly state: 'healthy' | 'degraded';
  /** How long it has been so. */
  readonly sinceMs: number;
  /** Reservations by who decided: the ledger, this node with a part of the amounts, nobody, or none (refused). */
  readonly decisions: {
    readonly ledger: number;
    readonly degraded: number;
    readonly open: number;
    readonly closed: number;
  };
  /** How many nodes share the limits, as far as is known. */
  readonly nodes: number;
  /** Calls that were rejected, late ones among them. */
  readonly failures: number;
  readonly timeouts: number;
  /** Reservations granted without the ledger and not settled yet. */
  readonly openWithoutLedger: number;
  /** Uses and settlements that wait for the ledger. */
  readonly unposted: number;
  readonly unsettled: number;
  /** Uses and settlements given up: too many, or their bucket had ended. */
  readonly lost: number;
}

/** A ledger that goes on when the one below does not. */
export interface FailurePolicyLedger extends Ledger {
  report(): FailurePolicyReport;
}

/**
 * Puts a deadline on every call of a ledger, and decides by declared policy when it fails, is late, or has been given up.
 *
 * An error is a late answer where its `code`, or that of its cause, is `ETIMEDOUT`; it may be that of a store that is only
 * slow.
 *
 * - A request is refused (the call rejects, which becomes 503) when one of its scopes is `closed`.
 * - `degraded` scopes are counted in the memory of this node against their part of the amount. What all nodes grant
 *   beyond the limit in one outage is at most `nodes` times that part.
 * - `open` scopes are granted. What is granted beyond the limit is what is asked during the outage.
 *
 * A reservation is settled where it was made. What was used without the ledger is kept, bounded, and posted when it is
 * back to buckets that have not ended; a call whose outcome is not known is settled with nothing, so that what it may
 * have held does not count. From then on decisions are exact again. While the ledger is given up `renew` of its
 * reservations answers `true`, since nothing else is known; `peek` rejects.
 *
 * @example
 * const ledger = createFailurePolicy({
 *   ledger: createLeasingLedger({ shared: stores.ledger, runtime }),
 *   runtime,
 *   nodes: 4,
 *   policyOf: ({ key }) => (key.includes('/usd/') ? 'closed' : 'degraded'),
 *   onChange: ({ state, cause }) => logger.warn({ state, cause }, 'limits'),
 * });
 * @throws TypeError for an option out of its range, naming it
 */
export function createFailurePolicy(options: FailurePolicyOptions): FailurePolicyLedger {
  return new GuardedLedger(options);
}

class GuardedLedger implements FailurePolicyLedger {
  readonly #ledger: FailurePolicyOptions['ledger'];
  readonly #runtime: Runtime;
  readonly #deadlineMs: number;
  readonly #retryMs: number;
  readonly #onChange: (change: FailurePolicyChange) => void;
  readonly #breaker: LedgerBreaker;
  readonly #outbox: Outbox;
  readonly #journal: Journal;
  readonly #fallback: Fallback;
  readonly #nodes: () => number;
  readonly #pending = new Map<string, Promise<ReserveResult>>();
  #byLedger = 0;
  #closed = 0;
  #failures = 0;
  #timeouts = 0;
  #changedAtMs: number;
  #cancelPosting: (() => void) | undefined;
  #isClosed = false;

  constructor(options: FailurePolicyOptions) {
    const { ledger, runtime, policyOf = () => 'closed', onChange = () => undefined } = options;
    const whole = (option: keyof FailurePolicyOptions, fallback: number, min: number, max?: number) =>
      requireInteger(
        option,
        (options[option] as number | undefined) ?? fallback,
        min,
        max,
        'createFailurePolicy',
      );
    this.#ledger = ledger;
    this.#runtime = runtime;
    this.#onChange = onChange;
    this.#changedAtMs = runtime.monotonicMs();
    this.#deadlineMs = whole('deadlineMs', 500, 1, 60_000);
    this.#retryMs = whole('retryMs', 1_000, 10, 60_000);
    const deadlineMs = this.#deadlineMs;
    this.#breaker = createLedgerBreaker({
      runtime,
      maxFailures: whole('maxFailures', 3, 1, 1_000),
      maxFailingMs: whole('maxFailingMs', 1_000, 1, 600_000),
      probeMs: whole('probeMs', 500, 1, 600_000),
      openMs: whole('openMs', 5_000, 1, 600_000),
      onChange: () => this.#changed(),
    });
    this.#outbox = createOutbox({
      ledger,
      runtime,
      deadlineMs,
      retryMs: this.#retryMs,
      maxPending: whole('maxUnsettled', 100_000, 1),
      maxParallel: 32,
      onAnswer: (ok, cause) => {
        if (!ok) this.#count(cause);
      },
    });
    this.#journal = createJournal({
      ledger,
      runtime,
      deadlineMs,
      maxEntries: whole('maxJournal', 100_000, 1),
    });
    const { nodes } = options;
    if (typeof nodes === 'function') this.#nodes = nodes;
    else {
      const fixed = whole('nodes', 1, 1, 1_000_000);
      this.#nodes = () => fixed;
    }
    this.#fallback = createFallback({
      ledger,
      runtime,
      journal: this.#journal,
      nodes: this.#nodes,
      maxOpen: whole('maxOpen', 100_000, 1),
      policyOf,
    });
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
      // decided in memory, which says nothing of what is behind it
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
      const result = await withinDeadline(this.#runtime, this.#deadlineMs, answer, (late) => {
        if (late.kind === 'granted') this.#outbox.send(id, []);
      });
      this.#breaker.succeed(token);
      this.#byLedger++;
      return result;
    } catch (cause) {
      if (cause instanceof TypeError) {
        this.#breaker.leave(token);
        throw cause;
      }
      this.#fail(token, cause);
      // whether it holds anything is not known: nothing of it will be used
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
    if (token === undefined) return true;
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
    return withinDeadline(this.#runtime, this.#deadlineMs, answer).then((value) => {
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
    const nowMs = this.#runtime.monotonicMs();
    const lastedMs = nowMs - this.#changedAtMs;
    this.#changedAtMs = nowMs;
    const { isOpen, cause } = this.#breaker;
    const report = this.report();
    try {
      if (isOpen) this.#onChange({ state: 'degraded', cause, lastedMs, report });
      else this.#onChange({ state: 'healthy', lastedMs, report });
    } catch {
      // a listener that fails must not fail the request that happened to notice
    }
    this.#postLater();
  }

  /** What was used without the ledger is posted when one call has shown that it is back, be there requests or not. */
  #postLater(): void {
    if (this.#cancelPosting || this.#isClosed) return;
    this.#cancelPosting = this.#runtime.schedule(this.#retryMs, () => {
      this.#cancelPosting = undefined;
      void this.#post();
    });
  }

  async #post(): Promise<void> {
    this.#fallback.sweep();
    const token = this.#journal.size > 0 ? this.#breaker.enter() : undefined;
    if (token !== undefined) {
      const isPosted = await this.#journal.post();
      if (isPosted) this.#breaker.succeed(token);
      else this.#fail(token, new Error('What was used without the ledger could not be posted to it.'));
    }
    if (this.#journal.size > 0 || this.#fallback.open > 0) this.#postLater();
  }

  report(): FailurePolicyReport {
    const { granted, open } = this.#fallback;
    return {
      state: this.#breaker.isOpen ? 'degraded' : 'healthy',
      sinceMs: this.#runtime.monotonicMs() - this.#breaker.sinceMs,
      decisions: {
        ledger: this.#byLedger,
        degraded: granted.degraded,
        open: granted.open,
        closed: this.#closed,
      },
      nodes: this.#nodes(),
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
    await withinDeadline(this.#runtime, 2 * this.#deadlineMs, postings).catch(() => false);
    await this.#outbox.flush(2 * this.#deadlineMs);
    this.#outbox.stop();
    await this.#ledger.close?.();
  }
}
