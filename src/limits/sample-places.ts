/** Where a long text is sampled: numbers derived from a seed that nobody could know before, the same each time. */
export class SamplePlaces {
  #state: number;

  /** @param seed the id of the request: whoever wrote its texts did not know it */
  constructor(seed: string) {
    this.#state = toPlace(seed);
  }

  /** The next one, uniform in [0, 1). */
  next(): number {
    let state = this.#state;
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) / 0x1_0000_0000;
  }
}

/** The state that a seed begins with: FNV-1a, and never 0, which would yield only zeros. */
export function toPlace(seed: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < seed.length; index++) {
    hash = Math.imul(hash ^ seed.charCodeAt(index), 0x01000193);
  }
  return hash | 1;
}
