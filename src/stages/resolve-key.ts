import type { Snapshot } from '../config/snapshot.ts';
import type { Arrival, Identified } from '../context.ts';
import type { Operation } from '../dialects/endpoint.ts';
import { GatewayError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import { refuseKeyInQuery } from '../keys/credential.ts';
import { unauthorized } from '../keys/refusal.ts';
import type { KeyResolver } from '../keys/resolver.ts';
import type { GatewayRequest } from '../message.ts';
import { noMetadata, readMetadata, requireMetadata } from '../metadata.ts';
import type { Stage } from '../pipeline.ts';
import { createPrincipal, type Principal, type PrincipalInput } from '../principal.ts';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import type { RecordDraft } from '../telemetry/record.ts';

/** Options of `resolveKey`. */
export interface ResolveKeyOptions {
  /** Finds the keys of this gateway. */
  readonly resolver: KeyResolver;
  /**
   * Other ways to identify callers, tried in this order and before keys. The first that knows the caller decides: a
   * request is never attributed to two. @default none
   */
  readonly identities?: readonly Identity[];
  /** Called as soon as the caller is known, even if the request is then refused for another reason. @default nobody is told */
  readonly onPrincipal?: (principal: Principal) => void;
}

/**
 * Turns what the caller presents into a principal, and finds its policy: the one object that says what organisation,
 * team, project, user and key together permit. Reads the request's metadata, which the policy may require.
 *
 * @throws GatewayError 401 for a key that is missing, unknown, wrong, expired or revoked, 400 for two different ones,
 *   429 for too many failures from one address, 503 when the store cannot tell, `not_permitted` (403) when the key's team
 *   or project is not configured, `metadata_required` (400) when the policy requires more than the request says.
 */
export function resolveKey(options: ResolveKeyOptions): Stage<Arrival, Identified> {
  const { resolver, identities = [], onPrincipal } = options;
  return {
    name: 'resolveKey',
    run({ request, record, snapshot, endpoint, runtime }, next) {
      const identify = (principal: Principal) => {
        note(record, principal);
        onPrincipal?.(principal);
        if (
          principal.expiresAtMs !== undefined &&
          nowFor(principal, resolver, runtime) >= principal.expiresAtMs
        ) {
          throw unauthorized('expired_key', 'The key has expired. Use another one.');
        }
        const policy = snapshot.policyFor(principal) ?? refuse(principal, snapshot);
        const metadata = readMetadata(request.headers);
        if (metadata !== noMetadata) record.metadata = metadata;
        if (!asksOnly.has(endpoint.operation)) requireMetadata(metadata, policy.requiredMetadata);
        return next({ principal, policy, metadata });
      };
      const found = findPrincipal(request, identities, resolver, 0);
      return found instanceof Promise ? found.then(identify) : identify(found);
    },
  };
}

/** Calls that cost nothing and that clients make by themselves, before anybody could tell them what to send. */
const asksOnly = new Set<Operation>(['list-models', 'get-model', 'health-report']);

/** The clock that decides when its proof of identity expires. */
function nowFor({ source }: Principal, resolver: KeyResolver, runtime: Runtime): number {
  return source === 'key' && resolver.nowMs ? resolver.nowMs() : runtime.now();
}

function findPrincipal(
  request: GatewayRequest,
  identities: readonly Identity[],
  resolver: KeyResolver,
  index: number,
): Principal | Promise<Principal> {
  const identity = identities[index];
  if (!identity) {
    const key = resolver.resolve(request.headers, request.query, request.remoteAddress);
    return key instanceof Promise ? key.then(ofKey) : ofKey(key);
  }
  refuseKeyInQuery(request.query);
  const found = identity.identify(request);
  const goOn = (input: PrincipalInput | undefined) =>
    input === undefined ? findPrincipal(request, identities, resolver, index + 1) : ofInput(input);
  return found instanceof Promise ? found.then(goOn) : goOn(found);
}

function refuse({ team, project }: Principal, { config }: Snapshot): never {
  const subject = Object.hasOwn(config.teams, team)
    ? `project "${project}" is not configured for the team "${team}"`
    : `team "${team}" is not configured`;
  throw new GatewayError('not_permitted', `The key's ${subject} on this gateway. Ask its operator.`);
}

function note(record: RecordDraft, principal: Principal): void {
  record.key = principal.key;
  record.team = principal.team;
  record.labels = principal.labels;
  if (principal.project !== undefined) record.project = principal.project;
  if (principal.user !== undefined) record.user = principal.user;
  if (principal.application !== undefined) record.application = principal.application;
}

// A key's record stays the same object while it is cached, and an identity may hand out the same facts again: then the
// principal stays the same too, and so does everything that is cached for it.
const principals = new WeakMap<KeyRecord, Principal>();
const inputs = new WeakMap<
  PrincipalInput,
  { readonly facts: PrincipalInput; readonly principal: Principal }
>();

function ofInput(input: PrincipalInput): Principal {
  const known = inputs.get(input);
  if (known && sameFacts(known.facts, input)) return known.principal;
  const principal = createPrincipal(input);
  inputs.set(input, { facts: { ...input }, principal });
  return principal;
}

/** Whether an object that was handed out before is unchanged. */
function sameFacts(one: PrincipalInput, other: PrincipalInput): boolean {
  return (
    one.key === other.key &&
    one.team === other.team &&
    one.project === other.project &&
    one.user === other.user &&
    one.application === other.application &&
    one.environment === other.environment &&
    one.models === other.models &&
    one.limits === other.limits &&
    one.labels === other.labels &&
    one.expiresAtMs === other.expiresAtMs
  );
}

function ofKey(record: KeyRecord): Principal {
  const known = principals.get(record);
  if (known) return known;
  const { kid, team, project, owner, application, environment, models, limits, labels, expiresAtMs } = record;
  const principal = createPrincipal({
    source: 'key',
    key: kid,
    team,
    project: project ?? undefined,
    user: owner ?? undefined,
    application: application ?? undefined,
    environment,
    models: models ?? undefined,
    limits: limits ?? undefined,
    labels: labels ?? undefined,
    expiresAtMs: expiresAtMs ?? undefined,
  });
  principals.set(record, principal);
  return principal;
}
