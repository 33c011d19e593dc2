import type { ConfiguredProvider, Target } from '../config/snapshot.ts';
import type { Candidate } from './plan.ts';
import { createRendezvous, type Rendezvous } from './rendezvous.ts';
import { createRoundRobin, type RoundRobin } from './round-robin.ts';

/** In which order the credentials of a provider are used. */
export interface CredentialOrder {
  /**
   * A target with each of its provider's credentials: as written, or by weight if one has a weight.
   *
   * @param affinity requests with the same one stay at the same credential
   * @param plan identifies the plan: all its targets share a turn; undefined takes none
   */
  candidates(target: Target, affinity: string | undefined, plan: number | undefined): readonly Candidate[];
}

interface Turns {
  readonly turns: RoundRobin;
  readonly hashed: Rendezvous;
  /** The plan that took the last turn, and its result. */
  plan: number | undefined;
  places: readonly number[];
}

/** One for each gateway: it remembers whose turn it is. */
export function createCredentialOrder(): CredentialOrder {
  const turnsOf = new WeakMap<ConfiguredProvider, Turns>();
  return {
    candidates(target, affinity, plan) {
      const all = candidatesOf(target);
      const { provider } = target;
      if (!isWeighted(provider)) return all;
      let known = turnsOf.get(provider);
      if (!known) {
        known = toTurns(provider);
        turnsOf.set(provider, known);
      }
      const places = affinity !== undefined ? known.hashed.order(affinity) : inTurn(known, plan);
      return places.map((place) => all[place] as Candidate);
    },
  };
}

const candidates = new WeakMap<Target, readonly Candidate[]>();

/** A target with each of its provider's credentials, in their order. The same objects for the same target. */
export function candidatesOf(target: Target): readonly Candidate[] {
  let known = candidates.get(target);
  if (!known) {
    known = target.provider.credentials.map((credential) => ({
      id: `${target.id}#${credential.id.slice(credential.id.indexOf('#') + 1)}`,
      target,
      credential,
    }));
    candidates.set(target, known);
  }
  return known;
}

const weighted = new WeakMap<ConfiguredProvider, boolean>();

/** Whether a provider's credentials are used by weight. */
export function isWeighted(provider: ConfiguredProvider): boolean {
  let known = weighted.get(provider);
  if (known === undefined) {
    const { credentials } = provider;
    known = credentials.length > 1 && credentials.some(({ weight }) => weight !== undefined);
    weighted.set(provider, known);
  }
  return known;
}

function toTurns({ credentials }: ConfiguredProvider): Turns {
  const all = credentials.map(({ id, weight = 1 }) => ({ name: id, weight }));
  const turns = createRoundRobin(all.map(({ weight }) => weight));
  return { turns, hashed: createRendezvous(all), plan: undefined, places: [] };
}

// with a turn for each target, the first ones would get every other credential, or all or none
function inTurn(known: Turns, plan: number | undefined): readonly number[] {
  if (plan === undefined) return known.turns.peek();
  if (known.plan !== plan) {
    known.plan = plan;
    known.places = known.turns.next();
  }
  return known.places;
}
