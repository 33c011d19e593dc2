/** What further attempts may cost a target. */
export interface RetryBudgetOptions {
  /** Further attempts for each first one. */
  readonly ratio: number;
  /** So many are allowed in any case in each window. */
  readonly floor: number;
  /** The window slides by halves. */
  readonly windowMs: number;
}

/**
 * How many further attempts a target takes in a window: a share of its first ones, and a floor. A target that fails
 * nobody takes any number of those that failed elsewhere: sending them there is no storm.
 */
export class RetryBudget {
  options: RetryBudgetOptions;
  #halfEndsAtMs = 0;
  #first = 0;
  #further = 0;
  #failed = 0;
  #firstBefore = 0;
  #furtherBefore = 0;
  #failedBefore = 0;

  constructor(options: RetryBudgetOptions) {
    this.options = options;
  }

  noteFirst(nowMs: number): void {
    if (nowMs >= this.#halfEndsAtMs) this.#slide(nowMs);
    this.#first++;
  }

  noteFailed(nowMs: number): void {
    if (nowMs >= this.#halfEndsAtMs) this.#slide(nowMs);
    this.#failed++;
  }

  /**
   * Takes one further attempt out of it.
   *
   * @param isAgain true when the request has been at this very target
   * @returns false when there is none left
   */
  take(nowMs: number, isAgain: boolean): boolean {
    if (nowMs >= this.#halfEndsAtMs) this.#slide(nowMs);
    const { ratio, floor } = this.options;
    const first = this.#first + this.#firstBefore;
    const further = this.#further + this.#furtherBefore;
    const failed = this.#failed + this.#failedBefore;
    const isSound = !isAgain && failed * 5 <= first + further;
    if (!isSound && further >= Math.max(floor, Math.floor(first * ratio))) return false;
    this.#further++;
    return true;
  }

  #slide(nowMs: number): void {
    const halfMs = this.options.windowMs / 2;
    const isNext = nowMs < this.#halfEndsAtMs + halfMs;
    this.#firstBefore = isNext ? this.#first : 0;
    this.#furtherBefore = isNext ? this.#further : 0;
    this.#failedBefore = isNext ? this.#failed : 0;
    this.#first = this.#further = this.#failed = 0;
    this.#halfEndsAtMs = nowMs + halfMs;
  }
}
