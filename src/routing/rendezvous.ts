import { hashText, mixHashes } from './hash.ts';

/** What is chosen from by hash: its name decides, and its weight how often. */
export interface Weighted {
  /** Where it stands says nothing: added, removed or moved, the others keep what is theirs. */
  readonly name: string;
  readonly weight: number;
}

/** Chooses among the same few by a text. */
export interface Rendezvous {
  /**
   * Places of all, the one for this text first, then whoever would have it without that one, and so on. Those of weight
   * 0 come last.
   */
  order(text: string): number[];
}

/**
 * Weighted rendezvous hashing: of many texts each gets its share; a text keeps its place as long as that is there, and
 * its weight is; one more takes from each of the others its share and moves nothing between them.
 */
export function createRendezvous(all: readonly Weighted[]): Rendezvous {
  const seeds = all.map(({ name }) => hashText(name, 0x9747b28c));
  return {
    order(text) {
      const hash = hashText(text);
      const scores = all.map(({ weight }, place) => {
        // in (0, 1), and never its ends
        const drawn = (mixHashes(hash, seeds[place] as number) + 0.5) / 4_294_967_296;
        return -Math.log(drawn) / weight;
      });
      return all
        .map((_, place) => place)
        .sort((one, other) => compare(scores[one] as number, scores[other] as number) || one - other);
    },
  };
}

// of weight 0 the score is infinite, and the difference of two such is no number
function compare(one: number, other: number): number {
  return one === other ? 0 : one < other ? -1 : 1;
}
