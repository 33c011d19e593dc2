import type { Arrival, Authorized, Identified, Received, Routed } from '../context.ts';
import type { Stage } from '../pipeline.ts';
import { billingOf, billPlan } from '../routing/billing.ts';
import { makePlan } from '../routing/plan.ts';
import type { Vault } from '../secrets/vault.ts';

/**
 * Makes the plan: which targets may serve the call, in which order, and who pays them.
 *
 * @param options.vault where the credentials of projects and users are. @default none: profiles with `billing: 'byok'` are refused
 * @throws GatewayError `unsupported_request` (400) when no target speaks the caller's dialect; as `billPlan`.
 */
export function route(
  options: { readonly vault?: Vault | undefined } = {},
): Stage<Arrival & Identified & Received & Authorized, Routed> {
  return {
    name: 'route',
    run(context, next) {
      context.record.billing = billingOf(context);
      const plan = makePlan(context.call, context.model, context.snapshot);
      return next({ plan: billPlan(plan, context, options.vault) });
    },
  };
}
