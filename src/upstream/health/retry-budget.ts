/** Bounds on further attempts at a target, and at all targets of a gateway together. */
export interface RetryBudgetOptions {
  /** Further attempts for each first one. */
  readonly ratio: number;
  /** This many are allowed in each window in any case. */
  readonly floor: number;
  /** The window slides by halves. */
  readonly windowMs: number;
}

/** What half a window has seen. */
interface Counts {
  first: number;
  failed: number;
  /** Further ones taken without asking. */
  free: number;
  /** Further ones taken out of the budget. */
  paid: number;
}

/**
 * How many further attempts the targets of a gateway take together in a window: a share of the first ones, and a floor,
 * so that there is no retry storm however many targets there are. Of requests that come to it again, each target takes
 * the same share of its own first ones.
 *
 * A sound target takes any number of those that failed elsewhere, and they do not count: sending them there is no
 * storm. Once it fails, too, as many of them count as it has failed.
 */
export class RetryBudget {
  options: RetryBudgetOptions;
  readonly #all: () => Iterable<RetryBudget>;
  #halfEndsAtMs = 0;
  #now = nothing();
  #before = nothing();

  /** @param all the budgets of all targets, including this one */
  constructor(options: RetryBudgetOptions, all: () => Iterable<RetryBudget>) {
    this.options = options;
    this.#all = all;
  }

  noteFirst(nowMs: number): void {
    if (nowMs >= this.#halfEndsAtMs) this.#slide(nowMs);
    this.#now.first++;
  }

  noteFailed(nowMs: number): void {
    if (nowMs >= this.#halfEndsAtMs) this.#slide(nowMs);
    this.#now.failed++;
  }

  /**
   * Takes one further attempt.
   *
   * @param isAgain true when the request was at this very target before
   * @returns false when there is none left
   */
  take(nowMs: number, isAgain: boolean): boolean {
    if (!isAgain && this.#taken(nowMs).isSound) {
      this.#now.free++;
      return true;
    }
    if ((isAgain && !this.#hasRoom([this], nowMs)) || !this.#hasRoom(this.#all(), nowMs)) return false;
    this.#now.paid++;
    return true;
  }

  #hasRoom(budgets: Iterable<RetryBudget>, nowMs: number): boolean {
    const { ratio, floor } = this.options;
    let first = 0;
    let further = 0;
    for (const budget of budgets) {
      const taken = budget.#taken(nowMs);
      first += taken.first;
      further += taken.paid + (taken.isSound ? 0 : Math.min(taken.free, taken.failed));
    }
    return further < Math.max(floor, Math.floor(first * ratio));
  }

  #taken(nowMs: number) {
    if (nowMs >= this.#halfEndsAtMs) this.#slide(nowMs);
    const [now, before] = [this.#now, this.#before];
    const first = now.first + before.first;
    const failed = now.failed + before.failed;
    const free = now.free + before.free;
    const paid = now.paid + before.paid;
    return { first, failed, free, paid, isSound: failed * 5 <= first + free + paid };
  }

  #slide(nowMs: number): void {
    const halfMs = this.options.windowMs / 2;
    this.#before = nowMs < this.#halfEndsAtMs + halfMs ? this.#now : nothing();
    this.#now = nothing();
    // the same instants for all, so that what they have counted can be added
    this.#halfEndsAtMs = (Math.floor(nowMs / halfMs) + 1) * halfMs;
  }
}

function nothing(): Counts {
  return { first: 0, failed: 0, free: 0, paid: 0 };
}
