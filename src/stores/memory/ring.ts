/** Keeps the newest `max` entries. */
export class Ring<Entry> {
  readonly #max: number;
  readonly #entries: Entry[] = [];
  #next = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** @returns the oldest entry, if it was dropped */
  push(entry: Entry): Entry | undefined {
    const at = this.#next;
    const oldest = this.#entries[at];
    this.#entries[at] = entry;
    this.#next = at + 1 === this.#max ? 0 : at + 1;
    return oldest;
  }
}
