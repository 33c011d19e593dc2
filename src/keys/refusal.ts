import { GatewayError } from '../errors.ts';

type RefusalCode = 'missing_key' | 'invalid_key' | 'expired_key' | 'revoked_key' | 'key_rotated';

// RFC 9110 §15.5.2: a 401 names a scheme that would be accepted. The same for all, so it reveals nothing.
const challenge = { 'www-authenticate': 'Bearer' };

/** A 401. The caller's dialect gives it its shape. */
export function unauthorized(code: RefusalCode, message: string): GatewayError {
  return new GatewayError(code, message, { headers: challenge });
}

/** The one answer to an unknown kid, a wrong secret and a text that is no key: it does not tell which. */
export function invalidKey(): GatewayError {
  return unauthorized('invalid_key', 'The key is not valid. Check that it was copied whole.');
}

/** Keys cannot be checked now. Never a 401: the caller's key may well be valid. */
export function storeUnavailable(cause: unknown): GatewayError {
  return new GatewayError('store_unavailable', 'Keys cannot be checked right now. Try again shortly.', {
    cause,
    retryAfterSeconds: 1,
  });
}

/** Replaces the 401 once an address has failed too often. The key of this request was refused as well. */
export function tooManyFailedKeys(retryAfterSeconds: number, refusal: GatewayError): GatewayError {
  return new GatewayError(
    'too_many_failed_keys',
    'Too many requests with keys that are not accepted came from this address, and this one is among them. Check the key.',
    { cause: refusal, retryAfterSeconds, retryable: false },
  );
}

/** Replaces a look-up once an address has failed too often. Whether the key is valid is not known. */
export function notLookedUp(retryAfterSeconds: number): GatewayError {
  return new GatewayError(
    'too_many_failed_keys',
    'Too many requests with keys that are not accepted came from this address. Keys that were not in use here lately are not looked up for a while.',
    { retryAfterSeconds },
  );
}
