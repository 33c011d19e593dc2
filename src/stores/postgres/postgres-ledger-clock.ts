import type { Runtime } from '../../runtime.ts';

// after this the two clocks may have drifted apart by more than a deadline tolerates
const maxAgeMs = 60_000;

/** The ledger's clock in the database, as far as its replies tell. */
export class PostgresLedgerClock {
  readonly #runtime: Runtime;
  /** The ledger's clock minus ours, at least: an answer is read later than the server has looked. */
  #offsetMs: number | undefined;
  #learnedAtMs = 0;
  #toldMs = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes the time from a reply to a call that was sent at `sentAtMs` of the monotonic clock. */
  learn(sentAtMs: number, ledgerMs: number): void {
    const readAtMs = this.#runtime.monotonicMs();
    const least = ledgerMs - readAtMs;
    const most = ledgerMs + 1 - sentAtMs;
    if (this.#offsetMs === undefined) {
      // a guess by our own clock that was far ahead is dropped
      if (this.#toldMs > ledgerMs + 1_000) this.#toldMs = 0;
      this.#offsetMs = least;
    } else if (this.#offsetMs < least || this.#offsetMs > most) this.#offsetMs = least;
    this.#learnedAtMs = readAtMs;
    this.#toldMs = Math.max(this.#toldMs, ledgerMs);
  }

  /** The ledger's time in `ms` milliseconds, or a little less; null when it was not heard for long. */
  fenceMs(ms: number): number | null {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#offsetMs === undefined || nowMs - this.#learnedAtMs > maxAgeMs) return null;
    return Math.ceil(this.#offsetMs + nowMs + ms);
  }

  nowMs(): number {
    const { monotonicMs, now } = this.#runtime;
    const estimate = this.#offsetMs === undefined ? now() : this.#offsetMs + monotonicMs();
    this.#toldMs = Math.max(this.#toldMs, Math.floor(estimate));
    return this.#toldMs;
  }
}
