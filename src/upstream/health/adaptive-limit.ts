/** After so long without a refusal nothing is limited any more. */
const forgetMs = 60_000;
/** Refusals of requests that were on their way together are one. */
const onceMs = 1_000;
const shrinkTo = 0.7;

/**
 * How many requests a target takes at once, found out by its 429s: additive increase, multiplicative decrease. There is
 * no limit until the first of them.
 */
export class AdaptiveLimit {
  #limit = Number.POSITIVE_INFINITY;
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  /** The most that may be on their way at once; at least 1. */
  get most(): number {
    return this.#limit;
  }

  /** @param inFlight requests on their way, the refused one among them */
  refused(inFlight: number, nowMs: number): void {
    if (nowMs - this.#refusedAtMs < onceMs) return;
    this.#refusedAtMs = nowMs;
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, inFlight) * shrinkTo));
  }

  answered(nowMs: number): void {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    if (nowMs - this.#refusedAtMs > forgetMs) this.#limit = Number.POSITIVE_INFINITY;
    else this.#limit += 1 / this.#limit;
  }
}
