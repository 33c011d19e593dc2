import type { Billing, Credential, Route, Snapshot, Target } from '../config/snapshot.ts';
import { defaultForwarding, type ForwardingPolicy, overlayForwarding } from './forwarding.ts';

/**
 * One target with one of its credentials: where a single attempt goes. The target holds its own settings:
 * `target.overrides`, `target.contextWindow`, …
 */
export interface Candidate {
  /** `provider/model#credential`; breakers and cool-downs are keyed by it. */
  readonly id: string;
  readonly target: Target;
  readonly credential: Credential;
  /** Who pays, if that differs between the plan's targets. Undefined: as the caller's policy says. */
  readonly billing?: Billing | undefined;
}

/** Where a request may be sent, in order of preference. Never empty. */
export interface Plan {
  readonly candidates: readonly Candidate[];
  /** How its attempts are made: the configuration's `forwarding`, overridden by the route. */
  readonly forwarding: ForwardingPolicy;
  /** Name of the route that made it; undefined if none matched and the model's own targets serve. */
  readonly route?: string | undefined;
  /** The arm of a test that the request is in, by its intended target. */
  readonly arm?: string | undefined;
}

const policies = new WeakMap<Snapshot, ForwardingPolicy>();
const ofRoutes = new WeakMap<Route, ForwardingPolicy>();

/** How attempts are made under a configuration and route. The same object for the same route and snapshot. */
export function forwardingOf(snapshot: Snapshot, route?: Route): ForwardingPolicy {
  let policy = policies.get(snapshot);
  if (!policy) {
    const { forwarding, retry } = snapshot.config;
    const { maxAttempts, deadlineMs } = retry;
    policy = overlayForwarding({ ...defaultForwarding, maxAttempts, deadlineMs }, forwarding);
    policies.set(snapshot, policy);
  }
  if (!route?.forwarding) return policy;
  let own = ofRoutes.get(route);
  if (!own) {
    own = overlayForwarding(policy, route.forwarding);
    ofRoutes.set(route, own);
  }
  return own;
}
