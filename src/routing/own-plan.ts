import type { Credential, CredentialSource } from '../config/providers.ts';
import { GatewayError } from '../errors.ts';
import type { Principal } from '../principal.ts';
import { Secret } from '../secrets/secret.ts';
import { isSecretError, SecretError, toCredentialUnavailable } from '../secrets/secret-error.ts';
import type { OwnSecret, Vault } from '../secrets/vault.ts';
import type { Candidate, Plan } from './plan.ts';

/** The plan's targets for which the caller's user or project registered a credential, each with only that one. */
export function ownPlan(plan: Plan, who: Principal, vault: Vault | undefined): Plan {
  const candidates: Candidate[] = [];
  for (const target of new Set(plan.candidates.map((candidate) => candidate.target))) {
    const provider = target.provider.id;
    const own = vault && findOwn(vault, provider, who);
    if (!own) continue;
    candidates.push({
      id: `${target.id}#byok:${own.id}`,
      target,
      credential: toCredential(vault, provider, own),
    });
  }
  if (candidates.length > 0) return { ...plan, candidates };
  const providers = [...new Set(plan.candidates.map(({ target }) => target.provider.id))].join(', ');
  throw new GatewayError(
    'not_permitted',
    `Requests of this profile are paid with a key of your own, and neither you nor your project has registered one for ${providers}. Ask the operator of this gateway to register it.`,
  );
}

function findOwn(vault: Vault, provider: string, who: Principal): OwnSecret | undefined {
  try {
    return vault.findOwn(provider, who);
  } catch (error) {
    throw isSecretError(error) ? toCredentialUnavailable(error) : error;
  }
}

// the same object for the same secret, so that what is remembered by credential applies to it too
const owned = new WeakMap<object, Map<string, Credential>>();

function toCredential(vault: Vault, provider: string, own: OwnSecret): Credential {
  let known = owned.get(own.secret);
  if (!known) {
    known = new Map();
    owned.set(own.secret, known);
  }
  let credential = known.get(own.id);
  if (!credential) {
    credential = { id: `byok:${own.id}`, source: createOwnSource(vault, provider, own) };
    known.set(own.id, credential);
  }
  return credential;
}

/** Asks the vault at each attempt, always for the same payer, so that rotation and removal of the secret are seen. */
function createOwnSource(
  vault: Vault,
  provider: string,
  { id, scope, subject }: OwnSecret,
): CredentialSource {
  const payer = { [scope]: subject };
  const find = (): OwnSecret['secret'] => {
    const own = vault.findOwn(provider, payer);
    if (own) return own.secret;
    throw new SecretError('secret_missing', `The secret "${id}" was removed.`, { secret: id });
  };
  const current = (): Secret => {
    const found = find();
    if (found instanceof Secret) return found;
    throw found instanceof Promise
      ? new SecretError('secret_unavailable', `The secret "${id}" is being opened.`, { secret: id })
      : found;
  };
  return {
    current,
    async ready() {
      await find();
      current();
    },
    close: () => undefined,
  };
}
