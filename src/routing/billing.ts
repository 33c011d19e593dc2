import type { Credential } from '../config/snapshot.ts';
import type { Arrival, Identified } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { Secret } from '../secrets/secret.ts';
import { isSecretError, SecretError, toCredentialUnavailable } from '../secrets/secret-error.ts';
import type { OwnSecret, Vault } from '../secrets/vault.ts';
import type { Candidate, Plan } from './plan.ts';

type Context = Pick<Arrival & Identified, 'policy' | 'principal' | 'request' | 'endpoint'>;

/** Whose credential pays for a request: what its policy says, as far as that is possible for what it asks. */
export function billingOf({
  policy,
  endpoint,
}: Pick<Context, 'policy' | 'endpoint'>): Context['policy']['billing'] {
  // only Anthropic has subscriptions whose tokens its API takes
  return policy.billing === 'passthrough' && endpoint.family !== 'anthropic' ? 'standard' : policy.billing;
}

/**
 * Gives a plan the credentials that the billing mode asks for: the gateway's own (`standard`), the ones that the
 * caller's user or project registered (`byok`; the user's comes first, and targets without any drop out), or the one
 * that the caller sent beside its key (`passthrough`). It never falls back to another payer.
 *
 * @throws GatewayError `not_permitted` (403) when nobody registered a credential, `missing_key` (401) when the caller
 *   sent none of its own, `no_target_available` (503) when the one that is there cannot be used.
 */
export function billPlan(plan: Plan, context: Context, vault: Vault | undefined): Plan {
  const billing = billingOf(context);
  if (billing === 'byok') return ownPlan(plan, context, vault);
  return billing === 'passthrough' ? callersPlan(plan, context) : plan;
}

function ownPlan(plan: Plan, { principal }: Context, vault: Vault | undefined): Plan {
  const candidates: Candidate[] = [];
  for (const { target } of plan.candidates) {
    if (candidates.some((other) => other.target === target)) continue;
    const own = findOwn(vault, target.provider.id, principal);
    if (own) candidates.push({ id: `${target.id}#byok:${own.id}`, target, credential: toCredential(own) });
  }
  if (candidates.length > 0) return { candidates };
  const providers = [...new Set(plan.candidates.map(({ target }) => target.provider.id))].join(', ');
  throw new GatewayError(
    'not_permitted',
    `Requests of this profile are paid with a key of your own, and neither you nor your project has registered one for ${providers}. Ask the operator of this gateway to register it.`,
  );
}

function findOwn(
  vault: Vault | undefined,
  provider: string,
  who: Context['principal'],
): OwnSecret | undefined {
  try {
    return vault?.findOwn(provider, who);
  } catch (error) {
    throw isSecretError(error) ? toCredentialUnavailable(error) : error;
  }
}

// the same object for the same secret, so that what is remembered of a credential is remembered for this one too
const owned = new WeakMap<object, Map<string, Credential>>();

function toCredential({ id, secret }: OwnSecret): Credential {
  let known = owned.get(secret);
  if (!known) {
    known = new Map();
    owned.set(secret, known);
  }
  let credential = known.get(id);
  if (!credential) {
    credential = { id: `byok:${id}`, source: toSource(secret) };
    known.set(id, credential);
  }
  return credential;
}

function toSource(found: OwnSecret['secret']): Credential['source'] {
  let opened = found instanceof Promise ? undefined : found;
  const read = (): Secret => {
    if (opened instanceof Secret) return opened;
    throw opened ?? new SecretError('secret_unavailable', 'The secret is being opened.', { secret: 'byok' });
  };
  return {
    current: read,
    async ready() {
      opened = await found;
      read();
    },
    close: () => undefined,
  };
}

/** Where callers have their own credential when the gateway's key is in `x-headgate-key`. */
const callersHeaders = ['authorization', 'x-api-key'] as const;

function callersPlan(plan: Plan, { request, endpoint }: Context): Plan {
  const header = callersHeaders.find((name) => typeof request.headers[name] === 'string');
  if (header === undefined || request.headers['x-headgate-key'] === undefined) {
    throw new GatewayError(
      'missing_key',
      'Requests of this profile are paid by your own subscription: send its token as Authorization or x-api-key, and the key of this gateway as x-headgate-key.',
    );
  }
  const secret = new Secret('the caller', request.headers[header] as string);
  const source = { current: () => secret, ready: async () => undefined, close: () => undefined };
  const targets = new Set(plan.candidates.map(({ target }) => target));
  return {
    candidates: [...targets]
      .filter(({ provider }) => provider.provider.family === endpoint.family)
      .map((target) => {
        const id = `${target.provider.id}#caller`;
        return { id: `${target.id}#caller`, target, credential: { id, source, header } };
      }),
  };
}
