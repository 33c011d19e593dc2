import { type GatewayError, isGatewayError } from '../errors.ts';
import type { CountFailure } from '../keys/failed-keys.ts';
import { tooManyFailedKeys } from '../keys/refusal.ts';
import type { GatewayRequest } from '../message.ts';
import type { Identity } from './identity.ts';

/**
 * An identity whose refusals count like failed keys: once an address has failed too often, its 401s become 429
 * `too_many_failed_keys`. Valid credentials are never counted and never held up. Give it the counter of the key
 * resolver, so that one address has one count.
 */
export function countFailures(identity: Identity, countFailure: CountFailure): Identity {
  const toAnswer = (error: unknown, { remoteAddress }: GatewayRequest): unknown => {
    if (!isFailedCredential(error)) return error;
    const retryAfterSeconds = countFailure(remoteAddress);
    return retryAfterSeconds > 0 ? tooManyFailedKeys(retryAfterSeconds, error) : error;
  };
  return {
    name: identity.name,
    identify(request) {
      try {
        const found = identity.identify(request);
        if (!(found instanceof Promise)) return found;
        return found.catch((error) => {
          throw toAnswer(error, request);
        });
      } catch (error) {
        throw toAnswer(error, request);
      }
    },
    close: () => identity.close?.(),
  };
}

// no credential, no guess
function isFailedCredential(error: unknown): error is GatewayError {
  return isGatewayError(error) && error.status === 401 && error.code !== 'missing_key';
}
