import type { Runtime } from '../../runtime.ts';
import type { AttemptFailure } from '../failure.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { Breaker, type BreakerOptions } from './breaker.ts';
import { PlaceQueue } from './place-queue.ts';
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts';

/** What determines the health of targets; the sections `breaker` and `retry` of the configuration. */
export interface HealthOptions {
  readonly breaker: BreakerOptions;
  readonly budget: RetryBudgetOptions;
  /** No target is left alone for longer than this, whatever it asks for. */
  readonly maxCoolDownMs: number;
  /** How long a credential that was refused or has no quota left comes last. */
  readonly unpaidMs: number;
}

/** Why a target is not asked now; `ready` when it is. */
export type Availability = 'ready' | 'probe' | 'full' | 'cooling' | 'unpaid' | 'degraded' | 'dead';

/** The state of a target, for health pages and `explain`. */
export interface HealthReport {
  /** `provider/model#credential`. */
  readonly target: string;
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** How long until an open breaker lets a probe through, in milliseconds. */
  readonly probeInMs: number;
  /** How long it has asked to be left alone, in milliseconds. */
  readonly coolDownMs: number;
  readonly inFlight: number;
  /** The most requests at once that it is thought to take; undefined while nothing limits it. */
  readonly maxInFlight: number | undefined;
}

/** What is known of one candidate (provider, model and credential), shared by all requests. */
export class TargetHealth {
  readonly id: string;
  inFlight = 0;
  /** Places of requests that were woken for them, or that ask a ledger, and have not begun. */
  promised = 0;
  /** Attempts that were answered. */
  answers = 0;
  readonly breaker: Breaker;
  readonly budget: RetryBudget;
  readonly #limit = new AdaptiveLimit();
  readonly #runtime: Runtime;
  #options: HealthOptions;
  #maxInFlight = Number.POSITIVE_INFINITY;
  #coolUntilMs = 0;
  #unpaidUntilMs = 0;
  /** Requests that wait until it takes another one. */
  readonly places = new PlaceQueue();
  /** Requests that wait for the result of a probe. */
  readonly recovery = new PlaceQueue();

  /** @param budgets those of all targets */
  constructor(id: string, options: HealthOptions, runtime: Runtime, budgets: () => Iterable<RetryBudget>) {
    this.id = id;
    this.#options = options;
    this.#runtime = runtime;
    this.breaker = new Breaker(options.breaker, runtime.random);
    this.budget = new RetryBudget(options.budget, budgets);
  }

  get options(): HealthOptions {
    return this.#options;
  }

  /** Uses another configuration from now on; what is known of the target stays. */
  configure(options: HealthOptions, maxInFlight: number | undefined): void {
    this.#options = options;
    this.#maxInFlight = maxInFlight ?? Number.POSITIVE_INFINITY;
    this.breaker.options = options.breaker;
    this.budget.options = options.budget;
  }

  availability(nowMs: number): Availability {
    if (nowMs < this.#coolUntilMs) return 'cooling';
    const { breaker } = this;
    if (breaker.mayProbe(nowMs)) return 'probe';
    if (breaker.isDead) return 'dead';
    return this.#hasRoom ? this.withRoom(nowMs) : 'full';
  }

  /** How it would be if it were not full. */
  withRoom(nowMs: number): Availability {
    if (!this.breaker.isClosed) return 'degraded';
    return nowMs < this.#unpaidUntilMs ? 'unpaid' : 'ready';
  }

  get #hasRoom(): boolean {
    return this.inFlight + this.promised < this.mostInFlight;
  }

  get mostInFlight(): number {
    return Math.min(Math.floor(this.#limit.most), this.#maxInFlight);
  }

  coolMs(nowMs: number): number {
    return Math.max(0, this.#coolUntilMs - nowMs);
  }

  begin(): void {
    this.inFlight++;
  }

  /** The attempt is over, its reply delivered or not. */
  end(): void {
    this.inFlight--;
    this.offerPlaces();
  }

  /** Wakes as many waiting requests as there is room for: an attempt is over, or was not made after all. */
  offerPlaces(): void {
    while (this.#hasRoom && this.places.wakeNext()) this.promised++;
  }

  /** Content came. */
  answered(nowMs: number, wasProbe: boolean): void {
    this.breaker.succeeded(nowMs, wasProbe);
    this.#limit.answered(nowMs);
    this.answers++;
    if (wasProbe) this.recovery.wakeAll();
  }

  /** A reply that had begun broke. */
  broke(wasProbe: boolean): void {
    const nowMs = this.#runtime.monotonicMs();
    this.breaker.broke(nowMs, wasProbe);
    this.budget.noteFailed(nowMs);
  }

  /** The result of asking the provider itself. */
  probed(isWell: boolean): void {
    const nowMs = this.#runtime.monotonicMs();
    if (isWell) this.breaker.succeeded(nowMs, true);
    else this.breaker.failed(nowMs, true);
    this.recovery.wakeAll();
  }

  /** The probe ended without saying anything about the target. */
  endProbe(): void {
    this.breaker.endProbe();
    this.recovery.wakeAll();
  }

  failed(failure: AttemptFailure, wasProbe: boolean): void {
    const nowMs = this.#runtime.monotonicMs();
    if (failure.unhealthy) {
      this.breaker.failed(nowMs, wasProbe);
      this.budget.noteFailed(nowMs);
    } else if (failure.refusal) {
      // it has judged the request, so it is up
      this.breaker.succeeded(nowMs, wasProbe);
    } else if (wasProbe) {
      this.breaker.endProbe();
    }
    if (wasProbe) this.recovery.wakeAll();
    if (failure.kind === 'refused') this.#limit.refused(this.inFlight, nowMs);
    if (failure.kind === 'credential' || failure.kind === 'quota')
      this.#unpaidUntilMs = nowMs + this.#options.unpaidMs;
    if (failure.retryAfterMs !== undefined) {
      const waitMs = Math.min(failure.retryAfterMs, this.#options.maxCoolDownMs);
      this.#coolUntilMs = Math.max(this.#coolUntilMs, nowMs + waitMs);
    }
  }

  report(nowMs: number): HealthReport {
    const most = this.mostInFlight;
    return {
      target: this.id,
      breaker: this.breaker.stateAt(nowMs),
      probeInMs: this.breaker.waitMs(nowMs),
      coolDownMs: this.coolMs(nowMs),
      inFlight: this.inFlight,
      maxInFlight: Number.isFinite(most) ? most : undefined,
    };
  }
}
