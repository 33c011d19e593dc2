import type { Credential, Narrowing, Policy, Route, Target } from '../config/snapshot.ts';
import { matchesAnyText } from './rules/text.ts';

/** Where a request may be handled. */
export interface Residency {
  /** Each list must permit the place. */
  readonly lists: readonly Narrowing[];
  /** Equal for equal lists. */
  readonly key: string;
  /**
   * Whether a target with one of its credentials is known to be where all lists permit: by what target and credential
   * each say, or else what the provider says. Without any region, it is not.
   */
  permits(target: Target, credential: Pick<Credential, 'region'>): boolean;
}

const ofPolicies = new WeakMap<readonly Narrowing[], Residency>();
const ofRoutes = new WeakMap<Route, WeakMap<readonly Narrowing[], Residency>>();

/** Where policy and route permit a request to be handled; undefined for anywhere. */
export function residencyOf(
  { regions }: Pick<Policy, 'regions'>,
  route: Route | undefined,
): Residency | undefined {
  if (route?.regions === undefined) {
    if (regions.length === 0) return undefined;
    return remember(ofPolicies, regions, () => toResidency(regions));
  }
  const own = { origin: `${route.path}.regions`, patterns: route.regions };
  const byPolicy = remember(ofRoutes, route, () => new WeakMap());
  return remember(byPolicy, regions, () => toResidency([...regions, own]));
}

function toResidency(lists: readonly Narrowing[]): Residency {
  return {
    lists,
    key: JSON.stringify(lists.map(({ patterns }) => patterns)),
    permits(target, credential) {
      const stated = regionsOf(target, credential);
      return (
        stated.length > 0 &&
        stated.every((region) => lists.every(({ patterns }) => matchesAnyText(patterns, region)))
      );
    },
  };
}

/** The configured regions of a target with a credential; empty if there are none. */
export function regionsOf(target: Target, credential: Pick<Credential, 'region'>): string[] {
  const stated = [target.region, credential.region].filter((region) => region !== undefined);
  const { region } = target.provider.config;
  return stated.length > 0 || region === undefined ? stated : [region];
}

function remember<Key extends object, Value>(known: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}
