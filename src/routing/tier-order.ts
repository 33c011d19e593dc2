import type { Affinity, Strategy, Target } from '../config/snapshot.ts';
import { type CredentialOrder, isWeighted } from './credential-order.ts';
import type { Candidate } from './plan.ts';
import { createRendezvous } from './rendezvous.ts';
import { createRoundRobin } from './round-robin.ts';

/** The targets of one priority that may serve a kind of requests, with whose turn it is. */
export interface OrderedTier {
  readonly strategy: Strategy;
  readonly sticky: readonly Affinity[];
  readonly targets: readonly Target[];
  /** Whether its order differs by what a request sticks to. */
  readonly usesAffinity: boolean;
  /** Requests it has had. */
  turn: number;
  /**
   * Its candidates in the order of its weights: the same for the same `affinity`; without one by turns.
   *
   * @param plan tells plans apart, each of which takes a turn; undefined takes none
   */
  candidates(affinity: string | undefined, plan: number | undefined): readonly Candidate[];
}

/** Targets of a tier up to which its orders are remembered: 24 of them. */
const mostRemembered = 4;

/** Puts a tier's targets into order by their weights; strategies that measure put them into another one afterwards. */
export function createOrderedTier(
  targets: readonly Target[],
  strategy: Strategy,
  sticky: readonly Affinity[],
  credentials: CredentialOrder,
): OrderedTier {
  const weights = targets.map(({ weight = 1 }) => weight);
  const turns = createRoundRobin(weights);
  const names = nameEach(targets);
  const hashed = createRendezvous(names.map((name, place) => ({ name, weight: weights[place] as number })));

  function placesFor(affinity: string | undefined, plan: number | undefined): readonly number[] {
    if (strategy !== 'weighted' || targets.length === 1) return targets.map((_, place) => place);
    if (affinity !== undefined) return hashed.order(affinity);
    return plan === undefined ? turns.peek() : turns.next();
  }

  const hasTurnsOfCredentials = targets.some(({ provider }) => isWeighted(provider));
  // few targets have few orders: each is put together once
  const known =
    !hasTurnsOfCredentials && targets.length <= mostRemembered
      ? new Map<number, readonly Candidate[]>()
      : undefined;
  const inOrder = (places: readonly number[], affinity: string | undefined, plan: number | undefined) =>
    places.flatMap((place) => credentials.candidates(targets[place] as Target, affinity, plan));

  return {
    strategy,
    sticky,
    targets,
    usesAffinity:
      sticky.length > 0 && ((strategy === 'weighted' && targets.length > 1) || hasTurnsOfCredentials),
    turn: 0,
    candidates(affinity, plan) {
      const places = placesFor(affinity, plan);
      if (!known) return inOrder(places, affinity, plan);
      let order = 0;
      for (const place of places) order = order * targets.length + place;
      let found = known.get(order);
      if (!found) {
        found = inOrder(places, affinity, plan);
        known.set(order, found);
      }
      return found;
    },
  };
}

/** A name for each that others beside it do not change. The same target may be there twice, in two arms of a test. */
function nameEach(targets: readonly Target[]): string[] {
  const seen = new Map<string, number>();
  return targets.map(({ id, arm = '' }) => {
    const name = `${id} ${arm}`;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return `${name} ${count}`;
  });
}
