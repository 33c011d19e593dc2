import type { Arrival, Identified } from '../context.ts';
import { GatewayError } from '../errors.ts';
import type { KeyResolver } from '../keys/resolver.ts';
import type { Stage } from '../pipeline.ts';
import type { Principal } from '../principal.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import type { RecordDraft } from '../telemetry/record.ts';

/**
 * Turns the caller's key into a principal and its team's policy.
 *
 * @throws GatewayError 401 for a key that is missing, unknown, wrong, expired or revoked, 400 for two different ones,
 *   429 for too many failures from one address, 503 when the store cannot tell, 403 when the key's team is not configured.
 */
export function resolveKey(options: { readonly resolver: KeyResolver }): Stage<Arrival, Identified> {
  return {
    name: 'resolveKey',
    run({ request, record, snapshot }, next) {
      const identify = (key: KeyRecord) => {
        const principal = toPrincipal(key);
        note(record, principal);
        const policy = snapshot.policyOf(key.team);
        if (!policy) {
          throw new GatewayError(
            'not_permitted',
            `The key's team "${key.team}" is not configured on this gateway. Ask its operator.`,
          );
        }
        return next({ principal, policy });
      };
      const found = options.resolver.resolve(request.headers, request.query, request.remoteAddress);
      return found instanceof Promise ? found.then(identify) : identify(found);
    },
  };
}

function note(record: RecordDraft, principal: Principal): void {
  record.key = principal.key;
  record.team = principal.team;
  record.labels = principal.labels;
  if (principal.project !== undefined) record.project = principal.project;
  if (principal.user !== undefined) record.user = principal.user;
  if (principal.application !== undefined) record.application = principal.application;
}

const noLabels = Object.freeze({});

// the key's record stays the same object while it is cached, and so does its principal
const principals = new WeakMap<KeyRecord, Principal>();

function toPrincipal(key: KeyRecord): Principal {
  const known = principals.get(key);
  if (known) return known;
  const principal: Principal = {
    key: key.kid,
    team: key.team,
    project: key.project,
    user: key.owner,
    application: key.application,
    environment: key.environment,
    models: key.models,
    labels: key.labels ?? noLabels,
  };
  principals.set(key, principal);
  return principal;
}
