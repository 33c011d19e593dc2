/** An entry of a linked queue. The queue owns the links; no entry is in two queues at once. */
export interface Linked<Entry> {
  before?: Entry | undefined;
  behind?: Entry | undefined;
}

/**
 * Entries in insertion order, any of which can be removed at once. For what enters and leaves with every request: a
 * table that a `Set` or `Map` has outgrown points to its replacement, and one among V8's old objects keeps every entry
 * since then alive until the next full collection.
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

  /** All entries as they are now, in order. */
  toArray(): Entry[] {
    const entries: Entry[] = [];
    for (let next = this.#first; next !== undefined; next = next.behind) entries.push(next);
    return entries;
  }
}
