/**
 * Entries by id, of which many come and go. When a `Map` rehashes, the table it drops still points to the new one, so
 * one dropped table in the old generation keeps all later ones, with every entry in them, alive until the next full
 * collection. Here the map holds only numbers.
 */
export class IdTable<Entry extends { readonly id: string }> {
  readonly #places = new Map<string, number>();
  readonly #entries: (Entry | undefined)[] = [];
  readonly #free: number[] = [];

  get(id: string): Entry | undefined {
    const place = this.#places.get(id);
    return place === undefined ? undefined : this.#entries[place];
  }

  /** Adds an entry whose id is not there yet. */
  add(entry: Entry): void {
    const place = this.#free.pop() ?? this.#entries.length;
    this.#entries[place] = entry;
    this.#places.set(entry.id, place);
  }

  delete(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#entries[place] = undefined;
    this.#free.push(place);
  }
}
