import type { Model, Policy, Resolution, Snapshot } from '../config/snapshot.ts';
import type { Arrival, Authorized, Identified, Received } from '../context.ts';
import { GatewayError } from '../errors.ts';
import type { GatewayReply } from '../message.ts';
import type { Stage } from '../pipeline.ts';

/**
 * Finds the model in the catalog and checks that the caller may use it. Models that do not exist, are switched off, not
 * yet released or retired, or hidden from the caller all get the same answer. Replies from a model whose end is
 * announced say so: `deprecation` (RFC 9745), `sunset` (RFC 8594) and `x-headgate-warning`.
 *
 * @throws GatewayError `model_not_found` (404); `not_permitted` (403) when the key has a budget of its own and the model
 *   no price.
 */
export function authorizeModel(): Stage<Arrival & Identified & Received, Authorized> {
  return {
    name: 'authorizeModel',
    inStep: true,
    run({ call, policy, snapshot, record, runtime }, next) {
      if (call.model === undefined) return next({ model: undefined });
      const nowMs = runtime.now();
      const { model } = permittedModel(call.model, snapshot, policy, nowMs);
      for (const name of call.batchModels ?? []) {
        requirePrice(permittedModel(name, snapshot, policy, nowMs).model, policy);
      }
      record.model = model.name;
      requirePrice(model, policy);
      const { deprecation } = model;
      if (deprecation === undefined || nowMs < deprecation.fromMs) return next({ model });
      return next({ model }).then((reply) => withDeprecation(reply, deprecation));
    },
  };
}

/**
 * Finds the model that a caller gets for the name it gave.
 *
 * @throws GatewayError `model_not_found` (404).
 */
export function permittedModel(name: string, snapshot: Snapshot, policy: Policy, nowMs: number): Resolution {
  const found = snapshot.resolveModel(name, policy, nowMs);
  if (found) return found;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  throw new GatewayError(
    'model_not_found',
    `The model ${JSON.stringify(shown)} does not exist or is not in your access profile. List the models you may use with GET /v1/models, or ask the operator of this gateway to add it to the profile.`,
    { param: 'model' },
  );
}

/** Budgets of the configuration are checked when it is compiled; a key's own comes from a store and is checked here. */
function requirePrice(model: Model, { ownBudget }: Policy): void {
  if (ownBudget === undefined || model.price !== undefined) return;
  throw new GatewayError(
    'not_permitted',
    `The model ${JSON.stringify(model.name)} has no price on this gateway and the limit "${ownBudget.label}" is in money, so it cannot be held. Use another model, or ask the operator to add the price.`,
    { param: 'model' },
  );
}

function withDeprecation(
  reply: GatewayReply,
  { headers, warning }: NonNullable<Model['deprecation']>,
): GatewayReply {
  const { status, body, outcome } = reply;
  const before = reply.headers['x-headgate-warning'];
  const warnings = before === undefined ? [] : [before].flat();
  return {
    status,
    headers: { ...reply.headers, ...headers, 'x-headgate-warning': [...warnings, warning].join('; ') },
    body,
    outcome,
  };
}
