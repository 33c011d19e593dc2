import type { Arrival, Identified } from '../context.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import type { Vault } from '../secrets/vault.ts';
import { callersPlan } from './callers-plan.ts';
import { ownPlan } from './own-plan.ts';
import type { Plan } from './plan.ts';

type Context = Pick<Arrival & Identified, 'policy' | 'principal' | 'request' | 'endpoint' | 'snapshot'>;
type Billing = Context['policy']['billing'];

/**
 * Who pays for a request: what its policy says, as far as that is possible for what it asks. With `passthrough` that is
 * every request in Anthropic's dialect, and no other: only Anthropic has subscriptions whose tokens its API takes.
 */
export function billingOf({ policy, endpoint }: Pick<Context, 'policy' | 'endpoint'>): Billing {
  return policy.billing === 'passthrough' && endpoint.family !== 'anthropic' ? 'standard' : policy.billing;
}

/**
 * Gives a plan the credentials that the billing mode asks for: the gateway's own (`standard`), the ones that the
 * caller's user or project registered (`byok`; for each provider the user's comes first, and targets without any drop
 * out), or the one that the caller sent beside its key (`passthrough`; it goes to Anthropic and nowhere else). Where
 * callers pay, the gateway's own credentials are never used.
 *
 * @throws GatewayError `not_permitted` (403) when nobody registered a credential, or the caller's own cannot pay for
 *   this; `missing_key` (401) when the caller sent none of its own; `no_target_available` (503) when it cannot be told
 *   who registered one.
 */
export function billPlan(plan: Plan, context: Context, vault: Vault | undefined): Plan {
  const billing = billingOf(context);
  if (billing === 'byok') return ownPlan(plan, context.principal, vault);
  return billing === 'passthrough' ? callersPlan(plan, context) : plan;
}

/**
 * The failure as it is told to who pays: a provider that refuses a credential refuses the caller's, and it is not the
 * operator who can mend that.
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
