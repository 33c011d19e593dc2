import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import { RecentCount } from './recent-count.ts';

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  /** Share of failed attempts that opens it, in percent. */
  readonly errorThresholdPercentage: number;
  /** Attempts in the rolling window of 10 s before the share counts; as many failures in a row always open it. */
  readonly volumeThreshold: number;
  /** How long it stays open before one probe the first time; each further time in a row, this much longer. */
  readonly resetTimeoutMs: number;
  /** It never stays open for longer than this. */
  readonly maxEjectionMs: number;
}

const windowMs = 10_000;
const buckets = 10;
const bucketMs = windowMs / buckets;
/** Never fires: the runtime's clock decides when a breaker may be probed. */
const neverMs = 2_147_483_647;

type Circuit = CircuitBreaker<[], unknown>;

/**
 * A circuit breaker for one candidate: opossum counts in a rolling window and holds the state; the clock, the times and
 * the number of probes are decided here. A target that has not failed lately has no circuit: one is some 4 kB that each
 * request would touch. Has no timers of its own that matter.
 */
export class Breaker {
  options: BreakerOptions;
  readonly #random: () => number;
  #rotator: EventEmitter | undefined;
  #circuit: Circuit | undefined;
  #rotateAtMs = 0;
  /** What succeeded while there was no circuit: the next one begins with it. */
  readonly #successes = new RecentCount(windowMs);
  #failedAtMs = 0;
  #failuresInARow = 0;
  #openUntilMs = 0;
  #closedAtMs = Number.NEGATIVE_INFINITY;
  #timesOpened = 0;
  #probing = false;
  #isSlow = false;
  /** Whether it is open only because another node has said so. */
  #isHinted = false;
  /** Until then hints are not believed: one was wrong. */
  #doubtsUntilMs = Number.NEGATIVE_INFINITY;
  /** Called with how long it opens, unless another node had reported it or the target is only slow. @default nobody */
  onOpened: ((forMs: number) => void) | undefined;

  constructor(options: BreakerOptions, random: () => number) {
    this.options = options;
    this.#random = random;
  }

  get isClosed(): boolean {
    return this.#circuit === undefined || this.#circuit.closed;
  }

  stateAt(nowMs: number): 'closed' | 'open' | 'half-open' {
    if (this.isClosed) return 'closed';
    return nowMs >= this.#openUntilMs ? 'half-open' : 'open';
  }

  /** How long until it may be probed; 0 when it may. */
  waitMs(nowMs: number): number {
    return this.isClosed ? 0 : Math.max(0, this.#openUntilMs - nowMs);
  }

  /** Whether one attempt may find out if the target has recovered. */
  mayProbe(nowMs: number): boolean {
    return !this.isClosed && !this.#probing && nowMs >= this.#openUntilMs;
  }

  /** Nothing has worked lately. One that is open and not dead still answers now and then. */
  get isDead(): boolean {
    const { volumeThreshold } = this.options;
    if (this.isClosed || this.#isSlow || this.#isHinted) return false;
    return this.#failuresInARow >= 2 * volumeThreshold || this.#circuit?.stats.successes === 0;
  }

  /** Takes the one probe. */
  beginProbe(): void {
    this.#probing = true;
  }

  /** The probe ended without saying anything about the target: the next one may try. */
  endProbe(): void {
    this.#probing = false;
  }

  succeeded(nowMs: number, wasProbe: boolean): void {
    if (this.#circuit === undefined) this.#successes.add(nowMs);
    else this.#succeededAfterFailures(this.#counted(nowMs), nowMs);
    this.#failuresInARow = 0;
    // what began before it opened says nothing about the probe that may close it
    if (wasProbe) this.#close(nowMs);
    if (wasProbe) this.#probing = false;
  }

  #succeededAfterFailures(circuit: Circuit, nowMs: number): void {
    circuit.emit('fire');
    circuit.emit('success');
    if (!circuit.closed || nowMs - this.#failedAtMs < windowMs) return;
    this.#successes.add(nowMs, circuit.stats.successes);
    this.shutdown();
  }

  failed(nowMs: number, wasProbe: boolean): void {
    const { volumeThreshold } = this.options;
    const circuit = this.#counted(nowMs);
    this.#failedAtMs = nowMs;
    circuit.emit('fire');
    circuit.emit('failure');
    this.#failuresInARow++;
    if (wasProbe) {
      this.#probing = false;
      this.eject(nowMs);
      return;
    }
    if (circuit.closed && (this.#failuresInARow >= volumeThreshold || this.#failsOften(circuit)))
      this.eject(nowMs);
  }

  /** An attempt that had succeeded failed after all: its reply broke on its way. */
  broke(nowMs: number, wasProbe: boolean): void {
    const circuit = this.#counted(nowMs);
    this.#failedAtMs = nowMs;
    circuit.emit('failure');
    // a window later, others have shown whether the target is healthy
    const isProbe = wasProbe && nowMs - this.#closedAtMs < windowMs;
    if (circuit.closed && (isProbe || this.#failsOften(circuit))) this.eject(nowMs);
  }

  #failsOften({ stats: { fires, failures } }: Circuit): boolean {
    const { volumeThreshold, errorThresholdPercentage } = this.options;
    return fires >= volumeThreshold && (failures / fires) * 100 > errorThresholdPercentage;
  }

  /**
   * Opens it. Each time in a row for longer, less some jitter, so that many do not come back together. For each
   * `resetTimeoutMs` that it stays closed, one time is forgotten.
   *
   * @param isSlow it answers, but slowly: better than none
   */
  eject(nowMs: number, isSlow = false): void {
    this.#isSlow = isSlow;
    this.#isHinted = false;
    const { resetTimeoutMs, maxEjectionMs } = this.options;
    if (this.isClosed) {
      const forgotten = Math.floor((nowMs - this.#closedAtMs) / resetTimeoutMs);
      this.#timesOpened = Math.max(0, this.#timesOpened - forgotten);
    }
    this.#timesOpened++;
    const longestMs = Math.min(maxEjectionMs, resetTimeoutMs * this.#timesOpened);
    this.#openUntilMs = nowMs + longestMs * (1 - 0.2 * this.#random());
    this.#counted(nowMs).open();
    if (!isSlow) this.onOpened?.(this.#openUntilMs - nowMs);
  }

  /**
   * Another node leaves the target alone for this long. Until then it is asked after all others, but never left out;
   * the first request after that time, or after `resetTimeoutMs`, is its probe. If that works, no hint is believed for
   * `maxEjectionMs`.
   */
  hint(nowMs: number, forMs: number): void {
    if (!this.isClosed || nowMs < this.#doubtsUntilMs) return;
    this.#isHinted = true;
    this.#openUntilMs = nowMs + Math.min(forMs, this.options.resetTimeoutMs);
    this.#counted(nowMs).open();
  }

  #close(nowMs: number): void {
    if (this.#isHinted) this.#doubtsUntilMs = nowMs + this.options.maxEjectionMs;
    this.#isHinted = false;
    this.#failuresInARow = 0;
    this.#closedAtMs = nowMs;
    // what was counted belongs to the time before
    this.shutdown();
  }

  shutdown(): void {
    this.#circuit?.shutdown();
    this.#circuit = undefined;
    this.#rotator = undefined;
  }

  #counted(nowMs: number): Circuit {
    let circuit = this.#circuit;
    if (!circuit) {
      this.#rotator = new EventEmitter();
      const counting = {
        rollingCountTimeout: windowMs,
        rollingCountBuckets: buckets,
        enableSnapshots: false,
        rollingPercentilesEnabled: false,
        rotateBucketController: this.#rotator,
      };
      const successes = this.#successes.at(nowMs);
      this.#successes.clear();
      // omitted counts are 0
      const stats = { fires: successes, successes } as CircuitBreaker.Stats;
      const status = CircuitBreaker.newStatus({ ...counting, stats });
      circuit = new CircuitBreaker(async () => undefined, {
        ...counting,
        timeout: false,
        resetTimeout: neverMs,
        status,
      });
      this.#circuit = circuit;
      this.#rotateAtMs = nowMs + bucketMs;
    }
    for (let turn = 0; nowMs >= this.#rotateAtMs && turn < buckets; turn++) {
      this.#rotator?.emit('rotate');
      this.#rotateAtMs += bucketMs;
    }
    if (nowMs >= this.#rotateAtMs) this.#rotateAtMs = nowMs + bucketMs;
    return circuit;
  }
}
