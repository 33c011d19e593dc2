import type { Arrival, Authorized, Identified, Received, Reserved, Routed } from '../context.ts';
import type { Stage } from '../pipeline.ts';
import { billingOf, toPayersError } from '../routing/billing.ts';
import { noObservations } from '../routing/observations.ts';
import { createRouter, type Router } from '../routing/router.ts';
import type { Vault } from '../secrets/vault.ts';
import { servingNested } from '../upstream/body-edits.ts';
import type { Mirrors } from './mirror.ts';

/** Options of `route`. */
export interface RouteOptions {
  /** Where the credentials of projects and users are. @default none: profiles with `billing: 'byok'` are refused */
  readonly vault?: Vault | undefined;
  /** Chooses routes and targets, and remembers whose turn it is. @default one that has measured nothing */
  readonly router?: Router | undefined;
  /** Makes the copies that routes ask for. @default none are made */
  readonly mirrors?: Mirrors | undefined;
}

type Context = Arrival & Identified & Received & Authorized & Partial<Reserved>;

/**
 * Makes the plan: the first route that matches, or else the model's own targets; which of these may serve the call, in
 * which order, and who pays them.
 *
 * @throws GatewayError `unsupported_request` (400) when no target speaks the caller's dialect, and as `servingNested`;
 *   `not_permitted` (403) when none is where policy and route permit; as `billPlan`; `invalid_token` (401) when Anthropic
 *   refused the token of a caller who pays itself.
 */
export function route(options: RouteOptions = {}): Stage<Context, Routed> {
  const { vault, router = createRouter({ observations: noObservations }), mirrors } = options;
  return {
    name: 'route',
    run(context, next) {
      const { record } = context;
      const made = router.plan(context, vault);
      const candidates = servingNested(made.candidates, context, context.call);
      const plan = candidates === made.candidates ? made : { ...made, candidates };
      const billing = billingOf(context);
      // nobody pays for what is refused
      record.billing = billing;
      if (plan.route !== undefined) record.route = plan.route;
      if (plan.arm !== undefined) record.arm = plan.arm;
      const reply = next({ plan });
      if (mirrors && plan.route !== undefined) {
        const matched = router.routeOf(plan, context.snapshot);
        if (matched?.mirror) mirrors.follow(context, matched, reply);
      }
      if (billing === 'standard') return reply;
      return reply.catch((error: unknown) => {
        throw toPayersError(error, billing);
      });
    },
  };
}
