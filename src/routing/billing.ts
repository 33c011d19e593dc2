import type { Arrival, Identified } from '../context.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import type { Vault } from '../secrets/vault.ts';
import { callersPlan } from './callers-plan.ts';
import { ownPlan } from './own-plan.ts';
import type { Candidate, Plan } from './plan.ts';

type Context = Pick<Arrival & Identified, 'policy' | 'principal' | 'request' | 'endpoint' | 'snapshot'>;
type Billing = Context['policy']['billing'];

/**
 * Who pays for a request: as its policy says, if the request allows it. `passthrough` applies to every request in
 * Anthropic's dialect, and no other: only Anthropic has subscriptions whose tokens its API accepts.
 */
export function billingOf({ policy, endpoint }: Pick<Context, 'policy' | 'endpoint'>): Billing {
  return policy.billing === 'passthrough' && endpoint.family !== 'anthropic' ? 'standard' : policy.billing;
}

/**
 * Gives a plan the credentials that the billing mode requires: the gateway's own (`standard`), those that the caller's
 * user or project registered (`byok`; for each provider the user's comes first, and targets without any drop out), or
 * the one that the caller sent beside its key (`passthrough`; it goes only to Anthropic). Where callers pay, the
 * gateway's own credentials are never used.
 *
 * @throws GatewayError `not_permitted` (403) if nobody registered a credential, or the caller's own cannot pay for
 *   this; `missing_key` (401) if the caller sent none of its own; `no_target_available` (503) if it is unknown who
 *   registered one.
 */
export function billPlan(plan: Plan, context: Context, vault: Vault | undefined): Plan {
  const billing = billingOf(context);
  return plan.candidates.some(({ target }) => target.billing !== undefined)
    ? billEach(plan, billing, context, vault)
    : billAll(plan, billing, context, vault);
}

function billAll(plan: Plan, billing: Billing, context: Context, vault: Vault | undefined): Plan {
  if (billing === 'byok') return ownPlan(plan, context.principal, vault);
  return billing === 'passthrough' ? callersPlan(plan, context) : plan;
}

/**
 * Bills each target as it says itself. Those that cannot be paid that way drop out. A `passthrough` caller never gets
 * one that somebody else pays: nothing was held of its `usd` budgets.
 */
function billEach(plan: Plan, billing: Billing, context: Context, vault: Vault | undefined): Plan {
  const candidates: Candidate[] = [];
  let refusal: unknown;
  for (const target of new Set(plan.candidates.map((candidate) => candidate.target))) {
    const own = target.billing ?? billing;
    if (billing === 'passthrough' && own !== 'passthrough') continue;
    if (own === 'passthrough' && context.endpoint.family !== 'anthropic') continue;
    const ofTarget = plan.candidates.filter((candidate) => candidate.target === target);
    try {
      const billed = billAll({ ...plan, candidates: ofTarget }, own, context, vault);
      candidates.push(...billed.candidates.map((candidate) => ({ ...candidate, billing: own })));
    } catch (error) {
      if (!isGatewayError(error)) throw error;
      refusal ??= error;
    }
  }
  if (candidates.length > 0) return { ...plan, candidates };
  throw (
    refusal ??
    new GatewayError('not_permitted', 'No target of this model can be paid for as your profile says.')
  );
}

/**
 * The failure as told to whoever pays: the refused credential is the caller's, so it is not for the operator to fix.
 */
export function toPayersError(error: unknown, billing: Exclude<Billing, 'standard'>): unknown {
  if (!isGatewayError(error) || error.code !== 'upstream_rejected_credential') return error;
  if (billing === 'byok') {
    const message = 'The provider refused the key of your own that pays for this request. Have it replaced.';
    return new GatewayError(error.code, message, { retryable: false, cause: error });
  }
  const message =
    'Anthropic refused your own token, which pays for this request. Sign in to Anthropic again, or send another one.';
  return new GatewayError('invalid_token', message, {
    retryable: false,
    cause: error,
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });
}
