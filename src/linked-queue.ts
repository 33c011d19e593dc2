/** What stands in a linked queue. The links are the queue's own; nothing stands in two at once. */
export interface Linked<Entry> {
  before?: Entry | undefined;
  behind?: Entry | undefined;
}

/**
 * Entries in the order in which they were added, any of which can leave at once. For what enters and leaves with every
 * request: the tables that a `Set` or `Map` drops as it makes room point to what replaced them, and one that has grown old
 * keeps every entry since alive until the next full collection.
 */
export class LinkedQueue<Entry extends Linked<Entry>> {
  #first: Entry | undefined;
  #last: Entry | undefined;
  #size = 0;

  get first(): Entry | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  add(entry: Entry): void {
    entry.before = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.behind = entry;
    this.#last = entry;
    this.#size++;
  }

  /** @returns false when it was not there */
  remove(entry: Entry): boolean {
    const { before, behind } = entry;
    if (before === undefined && this.#first !== entry) return false;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    entry.before = undefined;
    entry.behind = undefined;
    this.#size--;
    return true;
  }

  /** All of them as they are now, in their order. */
  toArray(): Entry[] {
    const entries: Entry[] = [];
    for (let next = this.#first; next !== undefined; next = next.behind) entries.push(next);
    return entries;
  }
}
