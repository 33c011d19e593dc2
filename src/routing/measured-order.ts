import type { Call } from '../call.ts';
import type { Model, Strategy } from '../config/snapshot.ts';
import { estimateUsage } from '../limits/estimate.ts';
import { costOf } from '../limits/price.ts';
import { isWeighted } from './credential-order.ts';
import type { Observations } from './observations.ts';
import type { Candidate } from './plan.ts';

/** Strategies based on what is known of candidates, not on weights. */
export type Measured = Exclude<Strategy, 'weighted' | 'order'>;

/** What they use. */
export interface Measures {
  readonly observations: Observations;
  readonly call: Call;
  readonly model: Model | undefined;
  /** Counts the tier's requests: ties are broken in turn, and now and then one request explores. */
  readonly turn: number;
}

/** One in this many requests goes to the candidate not heard of for longest: a slow one may be fast by now. */
export const exploreEvery = 20;

/** Puts the candidates of one tier in order. */
export function orderByMeasure(
  strategy: Measured,
  candidates: readonly Candidate[],
  measures: Measures,
): Candidate[] {
  if (candidates.length < 2) return [...candidates];
  const scores = new Map(candidates.map((candidate) => [candidate, scoreOf[strategy](candidate, measures)]));
  // weighted credentials already take turns: their target takes its turn with all of them
  const inTurn = [
    ...Map.groupBy(candidates, (one) => (isWeighted(one.target.provider) ? one.target : one)).values(),
  ];
  // `cheapest` takes no turns: of equal prices, the one written first
  const offset = strategy === 'cheapest' ? 0 : measures.turn % inTurn.length;
  const ordered = [...inTurn.slice(offset), ...inTurn.slice(0, offset)]
    .flat()
    .sort((one, other) => compare(scores.get(one) as number, scores.get(other) as number));
  return strategy === 'latency' ? explore(ordered, measures) : ordered;
}

/** Lower comes first. */
const scoreOf: Record<Measured, (candidate: Candidate, measures: Measures) => number> = {
  latency({ id }, { observations }) {
    const { firstTokenMs, inFlight } = observations.of(id);
    if (firstTokenMs !== undefined) return firstTokenMs;
    // an unknown one is tried once; until it answers, others are preferred
    return inFlight === 0 ? -1 : Number.MAX_SAFE_INTEGER + inFlight;
  },
  'least-in-flight'({ id, target }, { observations }) {
    // in a tier of weight 0, all count the same
    return observations.of(id).inFlight / (target.weight || 1);
  },
  cheapest({ target }, { call, model }) {
    const price = target.price ?? model?.price;
    return price ? costOf(estimateUsage(call, model), price) : Number.POSITIVE_INFINITY;
  },
  headroom: ({ id }, { observations }) => -observations.of(id).headroom,
};

function explore(ordered: Candidate[], { observations, turn }: Measures): Candidate[] {
  if (turn % exploreEvery !== exploreEvery - 1) return ordered;
  const seen = (candidate: Candidate) => observations.of(candidate.id).lastSeenMs ?? Number.NEGATIVE_INFINITY;
  const stalest = ordered.reduce((one, other) => (seen(other) < seen(one) ? other : one));
  return [stalest, ...ordered.filter((candidate) => candidate !== stalest)];
}

// the difference of infinite prices is NaN
function compare(one: number, other: number): number {
  return one === other ? 0 : one < other ? -1 : 1;
}
