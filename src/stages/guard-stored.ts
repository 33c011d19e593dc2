import type { StoredConfig } from '../config/schema.ts';
import type { Arrival, Identified, Received } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { readMember } from '../json/members.ts';
import type { GatewayReply } from '../message.ts';
import { nothing, type Stage } from '../pipeline.ts';
import type { Principal } from '../principal.ts';
import { billingOf } from '../routing/billing.ts';
import { withCreatedId } from '../stored/created-id.ts';
import { toWidePage, withOwnBatches } from '../stored/own-batches.ts';
import type { StoredOwner, StoredOwners } from '../stored/stored-owners.ts';

type Context = Arrival & Identified & Received;

/**
 * Lets callers reach the responses and batches that they or others of their team had stored, but nobody else's: `GET`,
 * `DELETE` and the rest of `/v1/responses/{id}` and `/v1/messages/batches/{id}`, `previous_response_id`, and the list
 * of batches. A caller who pays the provider itself (`byok`, `passthrough`) sees what its own credential sees, if the
 * gateway pays for no target.
 *
 * @param options.owners its `note` must not reject; `createGateway` ensures that
 * @throws GatewayError `stored_not_found` (404) for what is somebody else's, as for what does not exist;
 *   `store_unavailable` (503) when the owner cannot be looked up; `malformed_request` (400) for an invalid
 *   `previous_response_id`.
 */
export function guardStored({ owners }: { readonly owners: StoredOwners }): Stage<Context, object> {
  return {
    name: 'guardStored',
    run(context, next) {
      const { endpoint, snapshot, principal } = context;
      const { stored } = snapshot.config;
      if (!concerns(context) || stored.visibleTo === 'anyone' || paysAlone(context)) {
        return next(nothing);
      }
      // a reply does not wait for it
      const note = (id: string): void => void owners.note(id, principal);
      switch (endpoint.operation) {
        case 'response-input-tokens':
          return guard(previousOf(context)).then(() => next(nothing));
        case 'response':
          return guard(previousOf(context))
            .then(() => next(nothing))
            .then((reply) => noting(reply, note));
        case 'message-batch-create':
          return next(nothing).then((reply) => noting(reply, note));
        default:
      }
      const id = idOf(endpoint.upstreamPath);
      if (id !== undefined) return guard(id).then(() => next(nothing));
      const { call } = context;
      const page = toWidePage(call.query);
      return next({ call: { ...call, query: page.query } }).then((reply) =>
        // a list must not reveal ids that only those who have them may try
        withOwnBatches(reply, page, (batch) => isVisible(batch, 'refuse').catch(() => false)),
      );

      async function guard(id: string | undefined): Promise<void> {
        if (id !== undefined && !(await isVisible(id))) throw notFound(id);
      }
      async function isVisible(id: string, unknown = stored.unknown): Promise<boolean> {
        const owner = await ownerOf(owners, id);
        return owner === null ? unknown === 'allow' : isOwn(owner, principal, stored.visibleTo);
      }
    },
  };
}

const operations: ReadonlySet<string> = new Set([
  'response',
  'response-input-tokens',
  'response-resource',
  'message-batch-create',
  'message-batch-resource',
]);

function concerns({ endpoint }: Context): boolean {
  return operations.has(endpoint.operation);
}

/** Whether the request can reach only the caller's own account. */
function paysAlone({ policy, endpoint, snapshot }: Context): boolean {
  const billing = billingOf({ policy, endpoint });
  if (billing !== 'byok') return billing === 'passthrough';
  const targets = snapshot.routes.flatMap(({ tiers = [] }) => tiers.flatMap((tier) => tier.targets));
  return !targets.some((target) => target.for(undefined).billing === 'standard');
}

function noting(reply: GatewayReply, note: (id: string) => void): GatewayReply {
  return reply.status === 200 ? withCreatedId(reply, note) : reply;
}

function previousOf({ call }: Context): string | undefined {
  if (!call.members) return undefined;
  const previous = readMember(call.body, call.members, 'previous_response_id');
  if (previous === undefined || previous === null) return undefined;
  // it is unknown what the provider makes of an invalid id
  if (typeof previous === 'string' && /^[!-~]{1,256}$/.test(previous)) return previous;
  throw new GatewayError('malformed_request', '"previous_response_id" must be the id of a response.', {
    param: 'previous_response_id',
  });
}

/** Of `/responses/{id}…` and `/v1/messages/batches/{id}…`; undefined for the list. */
function idOf(path: string): string | undefined {
  return /^\/(?:responses|v1\/messages\/batches)\/([^/?]+)/.exec(path)?.[1];
}

async function ownerOf(owners: StoredOwners, id: string): Promise<StoredOwner | null> {
  try {
    return await owners.find(id);
  } catch (cause) {
    throw new GatewayError(
      'store_unavailable',
      'It cannot be told right now whose this is. Try again shortly.',
      {
        cause,
        retryAfterSeconds: 1,
      },
    );
  }
}

function isOwn(owner: StoredOwner, principal: Principal, visibleTo: StoredConfig['visibleTo']): boolean {
  if (owner.team !== principal.team) return false;
  if (visibleTo === 'team') return true;
  if (visibleTo === 'project') return owner.project === principal.project;
  const isSameKey = owner.key === principal.key;
  return visibleTo === 'user' && owner.user !== undefined ? owner.user === principal.user : isSameKey;
}

function notFound(id: string): GatewayError {
  const shown = JSON.stringify(id.length > 100 ? `${id.slice(0, 100)}…` : id);
  return new GatewayError('stored_not_found', `There is no ${shown}, or it is not yours.`);
}
