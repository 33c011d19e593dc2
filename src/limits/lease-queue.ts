/** What stands in a lease queue. The links are the queue's own. */
export interface Queued<Entry> {
  before: Entry | undefined;
  behind: Entry | undefined;
}

/**
 * Entries in the order in which they were added, any of which can leave at once. It holds thousands, each for the length of
 * a request, so the links are in the entries: the tables that a `Set` drops as it makes room point to what replaced them,
 * and one that has grown old keeps every entry since alive until the next full collection.
 */
export class LeaseQueue<Entry extends Queued<Entry>> {
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

  /** Nothing happens to one that is not there. */
  remove(entry: Entry): void {
    const { before, behind } = entry;
    if (before === undefined && this.#first !== entry) return;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    entry.before = undefined;
    entry.behind = undefined;
    this.#size--;
  }
}
