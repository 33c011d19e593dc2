/** A request that waits for a target. */
export interface PlaceWaiter {
  /** Whether others go first. */
  readonly isBatch: boolean;
  /** It may be asked. */
  wake(): void;
  /** Somebody who goes first needs this place in the queue. */
  giveWay(): void;
}

/** Requests that wait for a target, in order: batches after all others. */
export class PlaceQueue {
  // most targets never have one
  #waiting: PlaceWaiter[] | undefined;

  /** @returns false when `most` are waiting that go first */
  add(waiter: PlaceWaiter, most: number): boolean {
    this.#waiting ??= [];
    const waiting = this.#waiting;
    if (waiting.length >= most) {
      const last = waiting.at(-1);
      if (waiter.isBatch || !last?.isBatch) return false;
      waiting.pop();
      last.giveWay();
    }
    const firstBatch = waiter.isBatch ? -1 : waiting.findIndex(({ isBatch }) => isBatch);
    waiting.splice(firstBatch < 0 ? waiting.length : firstBatch, 0, waiter);
    return true;
  }

  /** @returns false when nobody waits */
  wakeNext(): boolean {
    const next = this.#waiting?.shift();
    next?.wake();
    return next !== undefined;
  }

  wakeAll(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const waiter of waiting) waiter.wake();
  }

  remove(waiter: PlaceWaiter): void {
    const index = this.#waiting?.indexOf(waiter) ?? -1;
    if (index >= 0) this.#waiting?.splice(index, 1);
  }
}
