import type { Arrival, Authorized, Received, Routed } from '../context.ts';
import type { Stage } from '../pipeline.ts';
import { makePlan } from '../routing/plan.ts';

/**
 * Makes the plan: which targets may serve the call, in which order.
 *
 * @throws GatewayError `unsupported_request` (400) when none speaks the caller's dialect.
 */
export function route(): Stage<Arrival & Received & Authorized, Routed> {
  return {
    name: 'route',
    run({ call, model, snapshot }, next) {
      return next({ plan: makePlan(call, model, snapshot) });
    },
  };
}
