import type { Call } from '../call.ts';
import type { Credential, Model, Snapshot, Target } from '../config/snapshot.ts';
import type { DialectFamily } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import { defaultForwarding, type ForwardingPolicy } from './forwarding.ts';

/**
 * One target with one of its credentials: what a single attempt is made at. What is particular about the target stands
 * there: `target.overrides`, `target.contextWindow`, …
 */
export interface Candidate {
  /** `provider/model#credential`; breakers and cool-downs go by it. */
  readonly id: string;
  readonly target: Target;
  readonly credential: Credential;
}

/** Where a request may be sent, in order of preference. Never empty. */
export interface Plan {
  readonly candidates: readonly Candidate[];
  /** How its attempts are made: the configuration's `forwarding`, and what the route says in place of it. */
  readonly forwarding: ForwardingPolicy;
  /** Name of the route that made it; undefined where none matched and the model's own targets serve. */
  readonly route?: string | undefined;
  /** The arm of a test that the request was given to, by the target that it was meant for. */
  readonly arm?: string | undefined;
}

/**
 * Makes the plan for a call: the model's targets in their order, each with its credentials in theirs. Targets whose
 * provider does not speak the caller's dialect are left out.
 *
 * @throws GatewayError `unsupported_request` when no target speaks the caller's dialect, naming both.
 */
export function makePlan(call: Call, model: Model | undefined, snapshot: Snapshot): Plan {
  const { family } = call.endpoint;
  const known = model && plans.get(model)?.[family];
  if (known) return known;
  const plan = computePlan(call, model, snapshot);
  if (model) plans.set(model, { ...plans.get(model), [family]: plan });
  return plan;
}

// a plan depends on the model's entry and the caller's dialect alone, so each snapshot computes it once
const plans = new WeakMap<Model, Partial<Record<DialectFamily, Plan>>>();

function computePlan(call: Call, model: Model | undefined, snapshot: Snapshot): Plan {
  const { family, operation } = call.endpoint;
  const targets = model
    ? model.targets.filter((target) => target.provider.provider.family === family)
    : withoutModel(call, snapshot);
  const candidates = targets.flatMap((target) =>
    target.provider.credentials.map((credential) => ({
      id: `${target.id}#${credential.id.slice(credential.id.indexOf('#') + 1)}`,
      target,
      credential,
    })),
  );
  if (candidates.length === 0) {
    const spoken = model
      ? [...new Set(model.targets.map((target) => target.provider.provider.family))].join(', ')
      : 'none';
    throw new GatewayError(
      'unsupported_request',
      model
        ? `The model "${model.name}" is served by providers that speak ${spoken}, and this request (${operation}) speaks ${family}. Call it through the ${spoken} API.`
        : `No provider that speaks ${family} is configured, so ${operation} cannot be served.`,
      { param: 'model' },
    );
  }
  return { candidates, forwarding: forwardingOf(snapshot) };
}

function withoutModel(call: Call, snapshot: Snapshot): readonly Target[] {
  const provider = snapshot.providerOf(call.endpoint.family);
  return provider ? [{ id: `${provider.id}/`, provider, model: undefined }] : [];
}

const policies = new WeakMap<Snapshot, ForwardingPolicy>();

/** How attempts are made under a configuration, unless a route says otherwise. The same object for the same snapshot. */
export function forwardingOf(snapshot: Snapshot): ForwardingPolicy {
  let policy = policies.get(snapshot);
  if (!policy) {
    const { maxAttempts, deadlineMs } = snapshot.config.retry;
    policy = { ...defaultForwarding, maxAttempts, deadlineMs };
    policies.set(snapshot, policy);
  }
  return policy;
}
