import { matchesAny } from '../config/patterns.ts';
import type { Model, Snapshot, TeamPolicy } from '../config/snapshot.ts';
import type { Arrival, Authorized, Identified, Received } from '../context.ts';
import { GatewayError } from '../errors.ts';
import type { Stage } from '../pipeline.ts';
import type { Principal } from '../principal.ts';

/**
 * Finds the model in the catalog and checks that the caller may use it. A model that does not exist and one that is
 * hidden from the caller get the same answer.
 *
 * @throws GatewayError `model_not_found` (404).
 */
export function authorizeModel(): Stage<Arrival & Identified & Received, Authorized> {
  return {
    name: 'authorizeModel',
    run({ call, policy, principal, snapshot, record }, next) {
      if (call.model === undefined) return next({ model: undefined });
      const model = permittedModel(call.model, snapshot, policy, principal);
      for (const name of call.batchModels ?? []) permittedModel(name, snapshot, policy, principal);
      record.model = model.name;
      return next({ model });
    },
  };
}

/** Whether the caller may use a model, by its public name. */
export function mayUse(name: string, policy: TeamPolicy, principal: Principal): boolean {
  return (
    matchesAny(policy.models, name) && (principal.models === undefined || matchesAny(principal.models, name))
  );
}

/**
 * Finds a model the caller may use, by the name it gave.
 *
 * @throws GatewayError `model_not_found` (404).
 */
export function permittedModel(
  name: string,
  snapshot: Snapshot,
  policy: TeamPolicy,
  principal: Principal,
): Model {
  const model = snapshot.findModel(name);
  if (model && mayUse(model.name, policy, principal)) return model;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  throw new GatewayError(
    'model_not_found',
    `The model ${JSON.stringify(shown)} does not exist or is not in your access profile. List the models you may use with GET /v1/models, or ask the operator of this gateway to add it to the profile.`,
    { param: 'model' },
  );
}
