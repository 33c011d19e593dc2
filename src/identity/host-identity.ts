import { isGatewayError } from '../errors.ts';
import type { GatewayRequest } from '../message.ts';
import { createPrincipal, type Principal, type PrincipalInput } from '../principal.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { Identity } from './identity.ts';
import { createOptionCheck } from './option.ts';
import { expiredToken, identityBroken, identityUnavailable } from './refusal.ts';

/** What the host application knows of a caller. */
export interface HostFacts extends Omit<PrincipalInput, 'source' | 'key'> {
  /**
   * Who or what calls, as the application sees it: an account, a session's user, a tenant. Stable from request to
   * request, not secret (it is in records and logs), 1 to 200 visible ASCII characters.
   */
  readonly id: string;
}

/** The host application's own way to identify a caller: by `request.host`, by its cookies, by its sessions. */
export type FindHostFacts = (
  request: GatewayRequest,
) => HostFacts | null | undefined | Promise<HostFacts | null | undefined>;

/** How the application's function is called. */
export interface HostIdentityOptions {
  /** Short name for logs. @default 'host' */
  readonly name?: string;
  /** Longest wait for the function; then 503. @default 2_000 */
  readonly timeoutMs?: number;
  /** Callers that may wait at once; any more get 503. @default 10_000 */
  readonly maxPending?: number;
  /** @default the system's */
  readonly runtime?: Runtime;
}

/**
 * Identifies callers by a function of the host application. When it returns `undefined` or `null`, it does not know the
 * caller, and the next way is asked; the principal's `key` is `host:` and the `id`.
 *
 * What the function throws is answered with 503 `identity_unavailable`, never with 401, unless it is a `GatewayError`,
 * which is passed on: that is how the application refuses. Facts without an id or a team, or otherwise invalid, are
 * answered with 500, and the cause names the field. Facts past their `expiresAtMs` are 401 `expired_token`.
 *
 * The function must be fast: it is called for each request. It must not trust a header that anyone can send.
 *
 * @throws TypeError naming the argument or option that is wrong
 */
export function createHostIdentity(find: FindHostFacts, options: HostIdentityOptions = {}): Identity {
  const { fail, integer, text } = createOptionCheck('createHostIdentity');
  if (typeof find !== 'function') fail('find', 'a function');
  const name = text('name', options.name ?? 'host', 64);
  const timeoutMs = integer('timeoutMs', options.timeoutMs ?? 2_000, 1, 600_000);
  const maxPending = integer('maxPending', options.maxPending ?? 10_000, 1);
  const runtime = options.runtime ?? createRuntime();
  let pending = 0;

  const accept = (facts: HostFacts | null | undefined): Principal | undefined => {
    if (facts === undefined || facts === null) return undefined;
    const principal = toPrincipal(facts);
    if (principal.expiresAtMs !== undefined && runtime.now() >= principal.expiresAtMs) {
      throw expiredToken('The facts of the host application have expired.');
    }
    return principal;
  };
  const wait = async (found: PromiseLike<HostFacts | null | undefined>): Promise<Principal | undefined> => {
    const late = Promise.withResolvers<never>();
    const cancelTimer = runtime.schedule(timeoutMs, () =>
      late.reject(new Error(`The host application did not say who calls in ${timeoutMs} ms.`)),
    );
    pending++;
    try {
      return accept(await Promise.race([found, late.promise]).catch(refuse));
    } finally {
      pending--;
      cancelTimer();
    }
  };

  return {
    name,
    identify(request) {
      if (pending >= maxPending) {
        throw identityUnavailable(new Error(`${pending} callers wait for the host application already.`));
      }
      let found: ReturnType<FindHostFacts>;
      try {
        found = find(request);
      } catch (error) {
        return refuse(error);
      }
      return isPromiseLike(found) ? wait(found) : accept(found);
    },
  };
}

function refuse(error: unknown): never {
  throw isGatewayError(error) ? error : identityUnavailable(error);
}

const idForm = /^[\x21-\x7e]{1,200}$/;

function toPrincipal(facts: HostFacts): Principal {
  try {
    if (typeof facts !== 'object') throw new TypeError('The host application must return an object.');
    const { id, ...rest } = facts;
    if (typeof id !== 'string' || !idForm.test(id)) {
      throw new TypeError('The "id" from the host application must be 1 to 200 visible ASCII characters.');
    }
    return createPrincipal({ ...rest, source: 'host', key: `host:${id}` });
  } catch (error) {
    throw identityBroken(error);
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<HostFacts | null | undefined> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
