/** After this long without a refusal there is no limit any more. */
const forgetMs = 60_000;
/** Refusals of requests that were in flight together count as one. */
const onceMs = 1_000;
const shrinkTo = 0.7;

/**
 * How many requests a target takes at once, learned from its 429s: additive increase, multiplicative decrease. There is
 * no limit until the first 429.
 */
export class AdaptiveLimit {
  #limit = Number.POSITIVE_INFINITY;
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  /** The most that may be in flight at once; at least 1. */
  get most(): number {
    return this.#limit;
  }

  /** @param inFlight requests in flight, including the refused one */
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
