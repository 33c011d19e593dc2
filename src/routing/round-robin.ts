/** Takes turns by weight. */
export interface RoundRobin {
  /** All places: first the one whose turn it is, then by how soon theirs comes. Those of weight 0 come last. */
  next(): number[];
  /** What `next` would return, without taking the turn. */
  peek(): number[];
}

/**
 * Smooth weighted round robin, as in nginx: over any window of as many turns as the weights add up to, each gets
 * exactly its share, and its turns are spread over the window, not in a row.
 */
export function createRoundRobin(weights: readonly number[]): RoundRobin {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const credit = weights.map(() => 0);

  function ordered(): number[] {
    const due = (place: number) => (credit[place] as number) + (weights[place] as number);
    const isLast = (place: number) => ((weights[place] as number) > 0 ? 0 : 1);
    return weights
      .map((_, place) => place)
      .sort((one, other) => isLast(one) - isLast(other) || due(other) - due(one) || one - other);
  }

  return {
    peek: ordered,
    next() {
      const order = ordered();
      if (total === 0) return order;
      for (let place = 0; place < weights.length; place++) {
        credit[place] = (credit[place] as number) + (weights[place] as number);
      }
      const first = order[0] as number;
      credit[first] = (credit[first] as number) - total;
      return order;
    },
  };
}
