import type { ConfiguredProvider, Target } from '../config/snapshot.ts';
import type { Candidate } from './plan.ts';
import { createRendezvous, type Rendezvous } from './rendezvous.ts';
import { createRoundRobin, type RoundRobin } from './round-robin.ts';

/** In which order the credentials of a provider are used. */
export interface CredentialOrder {
  /**
   * A target with each of its provider's credentials: as they are written, or by their weights where one has a weight.
   *
   * @param affinity keeps requests with the same one at the same credential
   * @param isLooking takes no turn
   */
  candidates(target: Target, affinity: string | undefined, isLooking: boolean): readonly Candidate[];
}

interface Turns {
  readonly turns: RoundRobin;
  readonly hashed: Rendezvous;
}

/** Made once for each gateway: it remembers whose turn it is. */
export function createCredentialOrder(): CredentialOrder {
  const turnsOf = new WeakMap<ConfiguredProvider, Turns>();
  return {
    candidates(target, affinity, isLooking) {
      const all = candidatesOf(target);
      const { provider } = target;
      if (!isWeighted(provider)) return all;
      let known = turnsOf.get(provider);
      if (!known) {
        known = toTurns(provider);
        turnsOf.set(provider, known);
      }
      const { turns, hashed } = known;
      const places =
        affinity !== undefined ? hashed.order(affinity) : isLooking ? turns.peek() : turns.next();
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
  return { turns: createRoundRobin(all.map(({ weight }) => weight)), hashed: createRendezvous(all) };
}
