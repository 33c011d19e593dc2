import type { ConfiguredProvider } from '../config/providers.ts';
import type { Target } from '../config/snapshot.ts';
import type { Arrival, Identified } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { Secret } from '../secrets/secret.ts';
import type { Plan } from './plan.ts';

type Context = Pick<Arrival & Identified, 'principal' | 'request' | 'snapshot'>;

/** A plan's targets at Anthropic, each with the credential that the caller sent beside its key. */
export function callersPlan(plan: Plan, { principal, request, snapshot }: Context): Plan {
  if (principal.source === 'host') {
    throw new GatewayError(
      'not_permitted',
      'Requests of this profile are paid by your own subscription, which needs a key or token in x-headgate-key: a session of the host application is not enough.',
    );
  }
  const found = findCredential(request.headers);
  if (!found) {
    throw new GatewayError(
      'missing_key',
      'Requests of this profile are paid by your own subscription: send its token as Authorization (Bearer) or x-api-key, and the key of this gateway as x-headgate-key and nowhere else.',
      { headers: { 'www-authenticate': 'Bearer' } },
    );
  }
  const targets = targetsAtHome(plan, snapshot);
  if (targets.length === 0) {
    throw new GatewayError(
      'not_permitted',
      'Requests of this profile are paid by your own subscription with Anthropic, and this model is not served by Anthropic itself. Use another model.',
      { param: 'model' },
    );
  }
  const secret = new Secret('the caller', found.value);
  const source = { current: () => secret, ready: async () => undefined, close: () => undefined };
  return {
    ...plan,
    candidates: targets.map((target) => ({
      // separate for each caller: one that is over its limits must not hold up others
      id: `${target.id}#caller:${principal.key}`,
      target,
      credential: { id: `${target.provider.id}#caller`, source, header: found.header },
    })),
  };
}

const forms = [
  // a Basic credential is meant for whatever is in front of the gateway
  ['authorization', /^Bearer +([\x21-\x7e]+)$/i],
  ['x-api-key', /^([\x21-\x7e]+)$/],
] as const;
const maxLength = 16_384;

/** The caller's own credential; `undefined` unless the gateway's key is in `x-headgate-key`, and only there. */
function findCredential(headers: Context['request']['headers']) {
  const key = headers['x-headgate-key'];
  if (key === undefined) return undefined;
  for (const [header, form] of forms) {
    const value = headers[header];
    if (typeof value !== 'string' || value.length > maxLength) continue;
    const token = form.exec(value)?.[1];
    // a client that sends one key in every header must not leak ours
    const isOurs = token === undefined || token.startsWith('hg_') || [key].flat().includes(token);
    if (!isOurs) return { header, value };
  }
  return undefined;
}

const homes = new WeakMap<Arrival['snapshot'], { readonly entry: ConfiguredProvider | undefined }>();

/**
 * The one address that callers' own credentials go to: Anthropic's public one if a provider entry has it, else that of
 * the first entry of type `anthropic`. Others also speak the dialect, and must never see what a caller pays Anthropic
 * with.
 */
function homeOf(snapshot: Arrival['snapshot']): ConfiguredProvider | undefined {
  let known = homes.get(snapshot);
  if (!known) {
    const entries = [...snapshot.providers.values()].filter(({ provider }) => provider.type === 'anthropic');
    const isPublic = ({ provider, origin }: ConfiguredProvider) =>
      origin === new URL(provider.defaultBaseUrl).origin;
    known = { entry: entries.find(isPublic) ?? entries[0] };
    homes.set(snapshot, known);
  }
  return known.entry;
}

function targetsAtHome({ candidates }: Plan, snapshot: Arrival['snapshot']): readonly Target[] {
  const home = homeOf(snapshot);
  if (!home) return [];
  const targets = [...new Set(candidates.map(({ target }) => target))];
  // a call that names no model goes to the first provider of its dialect, whichever it is
  if (targets.every(({ model }) => model === undefined)) {
    return [{ id: `${home.id}/`, provider: home, model: undefined }];
  }
  return targets.filter(
    ({ provider }) =>
      provider.provider.type === 'anthropic' &&
      provider.origin === home.origin &&
      provider.basePath === home.basePath,
  );
}
