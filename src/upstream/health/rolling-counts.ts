const windowMs = 10_000;
const buckets = 10;
const bucketMs = windowMs / buckets;
/** Numbers of a bucket: attempts, failures, successes. */
const width = 3;

/** What became of the attempts of the last ten seconds, to a second. Small, since there is one for each target. */
export class RollingCounts {
  attempts = 0;
  failures = 0;
  successes = 0;
  readonly #counts: number[] = Array(buckets * width).fill(0);
  /** Where the bucket of this second begins. */
  #at = 0;
  #endsAtMs: number;

  constructor(nowMs: number) {
    this.#endsAtMs = nowMs + bucketMs;
  }

  succeeded(): void {
    this.#add(1, 0, 1);
  }

  failed(): void {
    this.#add(1, 1, 0);
  }

  /** What had been counted as a success was none. */
  broke(): void {
    this.#add(0, 1, 0);
  }

  /** Forgets what is too old. Before anything is counted or read. */
  moveTo(nowMs: number): void {
    if (nowMs < this.#endsAtMs) return;
    for (let turn = 0; nowMs >= this.#endsAtMs && turn < buckets; turn++) {
      this.#at = (this.#at + width) % this.#counts.length;
      const [attempts = 0, failures = 0, successes = 0] = this.#counts.slice(this.#at, this.#at + width);
      this.#add(-attempts, -failures, -successes);
      this.#endsAtMs += bucketMs;
    }
    if (nowMs >= this.#endsAtMs) this.#endsAtMs = nowMs + bucketMs;
  }

  #add(attempts: number, failures: number, successes: number): void {
    const counts = this.#counts;
    const at = this.#at;
    counts[at] = (counts[at] as number) + attempts;
    counts[at + 1] = (counts[at + 1] as number) + failures;
    counts[at + 2] = (counts[at + 2] as number) + successes;
    this.attempts += attempts;
    this.failures += failures;
    this.successes += successes;
  }
}
