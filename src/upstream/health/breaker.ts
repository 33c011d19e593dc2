import { RollingCounts } from './rolling-counts.ts';

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  /** Share of failed attempts that opens it, in percent. */
  readonly errorThresholdPercentage: number;
  /** Attempts in the rolling window of 10 s before the share counts; so many failures in a row open it whatever the share. */
  readonly volumeThreshold: number;
  /** How long it stays open before one probe: the first time; each further time in a row so much longer. */
  readonly resetTimeoutMs: number;
  /** It never stays open for longer than this. */
  readonly maxEjectionMs: number;
}

/** A circuit breaker for one candidate, by the clock of whoever tells it something: it has no timers. */
export class Breaker {
  options: BreakerOptions;
  readonly #random: () => number;
  #counts: RollingCounts | undefined;
  #isOpen = false;
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
  /** Told for how long it has opened, unless another node had told of it or the target is only slow. @default nobody */
  onOpened: ((forMs: number) => void) | undefined;

  constructor(options: BreakerOptions, random: () => number) {
    this.options = options;
    this.#random = random;
  }

  get isClosed(): boolean {
    return !this.#isOpen;
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
    return this.#failuresInARow >= 2 * volumeThreshold || this.#counts?.successes === 0;
  }

  /** Takes the one probe. */
  beginProbe(): void {
    this.#probing = true;
  }

  /** The probe ended without saying anything of the target: the next one may try. */
  endProbe(): void {
    this.#probing = false;
  }

  succeeded(nowMs: number, wasProbe: boolean): void {
    this.#countsAt(nowMs).succeeded();
    this.#failuresInARow = 0;
    // what began before it opened says nothing about the probe that may close it
    if (wasProbe) this.#close(nowMs);
    if (wasProbe) this.#probing = false;
  }

  failed(nowMs: number, wasProbe: boolean): void {
    const { volumeThreshold } = this.options;
    const counts = this.#countsAt(nowMs);
    counts.failed();
    this.#failuresInARow++;
    if (wasProbe) {
      this.#probing = false;
      this.eject(nowMs);
      return;
    }
    if (this.isClosed && (this.#failuresInARow >= volumeThreshold || this.#failsOften(counts)))
      this.eject(nowMs);
  }

  /** An attempt that had succeeded failed after all: its reply broke on its way. */
  broke(nowMs: number, wasProbe: boolean): void {
    const counts = this.#countsAt(nowMs);
    counts.broke();
    if (this.isClosed && (wasProbe || this.#failsOften(counts))) this.eject(nowMs);
  }

  #failsOften({ attempts, failures }: RollingCounts): boolean {
    const { volumeThreshold, errorThresholdPercentage } = this.options;
    return attempts >= volumeThreshold && (failures / attempts) * 100 > errorThresholdPercentage;
  }

  /**
   * Opens it. Each time in a row for longer, a little less than that, so that many do not come back together; for as long
   * as it opens for the first time it has to stay closed for one time to be forgotten.
   *
   * @param isSlow it answers, only slowly: better than none
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
    this.#isOpen = true;
    if (!isSlow) this.onOpened?.(this.#openUntilMs - nowMs);
  }

  /**
   * Another node has left the target alone for so long. It is asked after all others then, and never left out; the first
   * request after that time, or after `resetTimeoutMs`, is its probe. When that works, no hint is believed for `maxEjectionMs`.
   */
  hint(nowMs: number, forMs: number): void {
    if (!this.isClosed || nowMs < this.#doubtsUntilMs) return;
    this.#isHinted = true;
    this.#openUntilMs = nowMs + Math.min(forMs, this.options.resetTimeoutMs);
    this.#isOpen = true;
  }

  #close(nowMs: number): void {
    if (this.#isHinted) this.#doubtsUntilMs = nowMs + this.options.maxEjectionMs;
    this.#isHinted = false;
    this.#failuresInARow = 0;
    this.#closedAtMs = nowMs;
    // what was counted belongs to the time before
    this.#counts = undefined;
    this.#isOpen = false;
  }

  #countsAt(nowMs: number): RollingCounts {
    this.#counts ??= new RollingCounts(nowMs);
    this.#counts.moveTo(nowMs);
    return this.#counts;
  }
}
