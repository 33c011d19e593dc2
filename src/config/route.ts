import type { Limit } from '../limits/limit.ts';
import type { ForwardingOverlay } from '../routing/forwarding.ts';
import type { Model } from './model.ts';
import type { RouteConfig } from './schema.ts';
import type { Target } from './target.ts';

/** What a route is for, with every default filled in. */
export type RouteMatch = RouteConfig['match'];

/** How a target of a tier is chosen. */
export type Strategy = NonNullable<RouteConfig['strategy']>;

/** What keeps requests together at one target. */
export type Affinity = 'session' | 'cache' | 'user' | 'key';

/** How the targets of a tier are ordered. */
export interface Choice {
  readonly strategy: Strategy;
  /** In order of preference; none for strategies other than `weighted`. */
  readonly sticky: readonly Affinity[];
}

/** Targets of the same priority. */
export interface Tier extends Choice {
  readonly targets: readonly RouteTarget[];
}

/** A target of a route: the same for all models, or one that takes its name from the model. */
export interface RouteTarget {
  /** The target for a model; the same object for the same model. */
  for(model: Model | undefined): Target;
}

/** Copies of requests that go to another target. */
export interface MirrorRule {
  readonly target: RouteTarget;
  readonly share: number;
  readonly maxConcurrent: number;
  readonly timeoutMs: number;
  readonly limits: readonly Limit[];
}

/** A compiled route. A snapshot has no inactive ones. */
export interface Route {
  readonly name: string;
  /** Its path, such as `routes[2]`. */
  readonly path: string;
  readonly match: RouteMatch;
  /** Undefined: the model's own targets. */
  readonly tiers: readonly Tier[] | undefined;
  /** How the model's own targets are chosen if there are no tiers. */
  readonly own: Choice;
  readonly regions: readonly string[] | undefined;
  readonly forwarding: ForwardingOverlay | undefined;
  readonly mirror: MirrorRule | undefined;
}
