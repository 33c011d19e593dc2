import type { Arrival, Authorized, Identified, Received, Routed } from '../context.ts';
import type { Stage } from '../pipeline.ts';
import { billingOf, billPlan, toPayersError } from '../routing/billing.ts';
import { makePlan } from '../routing/plan.ts';
import type { Vault } from '../secrets/vault.ts';

/**
 * Makes the plan: which targets may serve the call, in which order, and who pays them.
 *
 * @param options.vault where the credentials of projects and users are. @default none: profiles with `billing: 'byok'` are refused
 * @throws GatewayError `unsupported_request` (400) when no target speaks the caller's dialect; as `billPlan`;
 *   `invalid_token` (401) when Anthropic refused the token of a caller who pays itself.
 */
export function route(
  options: { readonly vault?: Vault | undefined } = {},
): Stage<Arrival & Identified & Received & Authorized, Routed> {
  return {
    name: 'route',
    run(context, next) {
      const billing = billingOf(context);
      const plan = billPlan(makePlan(context.call, context.model, context.snapshot), context, options.vault);
      // what is refused is paid by nobody
      context.record.billing = billing;
      const reply = next({ plan });
      if (billing === 'standard') return reply;
      return reply.catch((error: unknown) => {
        throw toPayersError(error, billing);
      });
    },
  };
}
