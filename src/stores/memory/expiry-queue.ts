/** An entry of an expiry queue. */
export interface Expiring {
  expiresAtMs: number;
  /** Its place in the queue; the queue's own. */
  place: number;
}

/**
 * Entries, soonest to expire first: a binary heap whose entries know their place, so that each can leave or move in
 * O(log n) however many wait, without garbage.
 */
export class ExpiryQueue<Entry extends Expiring> {
  readonly #entries: Entry[] = [];

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  add(entry: Entry): void {
    const place = this.#entries.length;
    this.#entries.push(entry);
    this.#rise(entry, place);
  }

  remove({ place }: Entry): void {
    const last = this.#entries.pop() as Entry;
    if (last.place !== place) this.#settleAt(last, place);
  }

  /** Moves an entry whose `expiresAtMs` has changed. */
  move(entry: Entry): void {
    this.#settleAt(entry, entry.place);
  }

  #settleAt(entry: Entry, place: number): void {
    this.#rise(entry, place);
    if (entry.place === place) this.#sink(entry, place);
  }

  #rise(entry: Entry, from: number): void {
    const entries = this.#entries;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = entries[above] as Entry;
      if (parent.expiresAtMs <= entry.expiresAtMs) break;
      entries[place] = parent;
      parent.place = place;
      place = above;
    }
    entries[place] = entry;
    entry.place = place;
  }

  #sink(entry: Entry, from: number): void {
    const entries = this.#entries;
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= entries.length) break;
      const right = entries[below + 1];
      if (right !== undefined && right.expiresAtMs < (entries[below] as Entry).expiresAtMs) below++;
      const child = entries[below] as Entry;
      if (child.expiresAtMs >= entry.expiresAtMs) break;
      entries[place] = child;
      child.place = place;
      place = below;
    }
    entries[place] = entry;
    entry.place = place;
  }
}
