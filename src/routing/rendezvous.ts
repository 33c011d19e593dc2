import { hashText, mixHashes } from './hash.ts';

/** Something chosen by hash: by its name, as often as its weight says. */
export interface Weighted {
  /** Its place does not matter: adding, removing or moving it moves nothing between the others. */
  readonly name: string;
  readonly weight: number;
}

/** Chooses among a fixed few by a text. */
export interface Rendezvous {
  /**
   * All places: first the one for this text, then the one that would have it without the first, and so on. Those of
   * weight 0 come last.
   */
  order(text: string): number[];
}

/**
 * Weighted rendezvous hashing: of many texts, each gets its share; a text keeps its place as long as it exists with the
 * same weight; a new one takes its share from each of the others and moves nothing between them.
 */
export function createRendezvous(all: readonly Weighted[]): Rendezvous {
  const seeds = all.map(({ name }) => hashText(name, 0x9747b28c));
  return {
    order(text) {
      const hash = hashText(text);
      const scores = all.map(({ weight }, place) => {
        // in (0, 1), excluding both ends
        const drawn = (mixHashes(hash, seeds[place] as number) + 0.5) / 4_294_967_296;
        return -Math.log(drawn) / weight;
      });
      return all
        .map((_, place) => place)
        .sort((one, other) => compare(scores[one] as number, scores[other] as number) || one - other);
    },
  };
}

// the score of weight 0 is infinite, and the difference of two such is NaN
function compare(one: number, other: number): number {
  return one === other ? 0 : one < other ? -1 : 1;
}
