import type { Affinity, Strategy, Target } from '../config/snapshot.ts';
import { type CredentialOrder, isWeighted } from './credential-order.ts';
import type { Candidate } from './plan.ts';
import { createRendezvous } from './rendezvous.ts';
import { createRoundRobin } from './round-robin.ts';

/** The targets of one priority that may serve a kind of request, and whose turn it is. */
export interface OrderedTier {
  readonly strategy: Strategy;
  readonly sticky: readonly Affinity[];
  readonly targets: readonly Target[];
  /** Whether its order depends on a request's affinity. */
  readonly usesAffinity: boolean;
  /** Requests it has had. */
  turn: number;
  /**
   * Its candidates, ordered by weight: the same for the same `affinity`; without one, in turn.
   *
   * @param plan identifies the plan, each of which takes a turn; undefined takes none
   */
  candidates(affinity: string | undefined, plan: number | undefined): readonly Candidate[];
}

/** Up to this many targets in a tier, its orders (at most 24) are cached. */
const mostRemembered = 4;

/** Orders a tier's targets by weight; measuring strategies reorder them afterwards. */
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
  // few targets have few orders: each is built once
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

/** Names that do not depend on the other targets. The same target may occur twice, in two arms of a test. */
function nameEach(targets: readonly Target[]): string[] {
  const seen = new Map<string, number>();
  return targets.map(({ id, arm = '' }) => {
    const name = `${id} ${arm}`;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return `${name} ${count}`;
  });
}
