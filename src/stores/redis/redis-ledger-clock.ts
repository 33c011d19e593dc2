import type { Runtime } from '../../runtime.ts';

/** How far ahead of the server's clock a first guess may be and still stand until that catches up. */
const maxGuessAheadMs = 1_000;
// after this the two clocks may have drifted apart by more than a fence tolerates
const maxAgeMs = 60_000;

/** The server's clock, as far as its replies tell. */
export class RedisLedgerClock {
  readonly #runtime: Runtime;
  /** Server's clock minus ours, at least: an answer is read later than the server has looked. */
  #offsetMs: number | undefined;
  #learnedAtMs = 0;
  #ledgerMs = 0;
  #toldMs = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Takes the times in a reply: the server's clock, and the ledger's, which is ahead if the server's was set back. */
  learn(sentAtMs: number, serverMs: number, ledgerMs: number): void {
    const readAtMs = this.#runtime.monotonicMs();
    const least = serverMs - readAtMs;
    const most = serverMs + 1 - sentAtMs;
    // a better known offset stays, unless the server's clock was set
    if (this.#offsetMs === undefined || this.#offsetMs < least || this.#offsetMs > most) {
      const knownMs = Math.max(serverMs, ledgerMs);
      if (this.#offsetMs === undefined && this.#toldMs > knownMs + maxGuessAheadMs) this.#toldMs = 0;
      this.#offsetMs = least;
    }
    this.#learnedAtMs = readAtMs;
    this.#ledgerMs = Math.max(this.#ledgerMs, ledgerMs);
  }

  /** The server's clock was set, or it is another server. */
  unlearn(): void {
    this.#learnedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The server's clock now or a little earlier; undefined when it was not heard for long. */
  serverMs(): number | undefined {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#offsetMs === undefined || nowMs - this.#learnedAtMs > maxAgeMs) return undefined;
    return this.#offsetMs + nowMs;
  }

  /** The ledger's clock. */
  nowMs(): number {
    const estimate =
      this.#offsetMs === undefined ? this.#runtime.now() : this.#offsetMs + this.#runtime.monotonicMs();
    this.#toldMs = Math.max(this.#toldMs, this.#ledgerMs, Math.floor(estimate));
    return this.#toldMs;
  }
}
