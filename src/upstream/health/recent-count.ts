/** How often something happened in the last window, in two numbers: this window's, and a share of the one before. */
export class RecentCount {
  readonly #windowMs: number;
  #now = 0;
  #before = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add(nowMs: number, times = 1): void {
    this.#slide(nowMs);
    this.#now += times;
  }

  at(nowMs: number): number {
    this.#slide(nowMs);
    return this.#now + Math.round(this.#before * (1 - (nowMs - this.#sinceMs) / this.#windowMs));
  }

  clear(): void {
    this.#now = this.#before = 0;
  }

  #slide(nowMs: number): void {
    const ageMs = nowMs - this.#sinceMs;
    if (ageMs < this.#windowMs) return;
    const isNext = ageMs < 2 * this.#windowMs;
    this.#before = isNext ? this.#now : 0;
    this.#now = 0;
    this.#sinceMs = isNext ? this.#sinceMs + this.#windowMs : nowMs;
  }
}
