import { GatewayError, type GatewayErrorCode } from '../errors.ts';

// RFC 6750 §3.1. The same for all, so it reveals nothing.
const challenge = { 'www-authenticate': 'Bearer error="invalid_token"' };

/**
 * The one answer to an invalid token: it does not tell which check failed. `reason` is for the operator, as the cause,
 * and must hold nothing of the token.
 */
export function invalidToken(reason: string): GatewayError {
  return refuse(
    'invalid_token' as GatewayErrorCode,
    "The token is not valid here. Get a new one from your organisation's sign-in.",
    reason,
  );
}

/** A genuine token that has expired. */
export function expiredToken(reason: string): GatewayError {
  return refuse(
    'expired_token' as GatewayErrorCode,
    'The token has expired. Sign in again, or let your client refresh it.',
    reason,
  );
}

/** A genuine token whose holder has no team. */
export function noTeam(message: string): GatewayError {
  return new GatewayError('not_permitted', message);
}

/** Callers cannot be checked now. Never a 401: the caller's credential may well be valid. */
export function identityUnavailable(cause: unknown): GatewayError {
  return new GatewayError(
    'identity_unavailable' as GatewayErrorCode,
    'Who calls cannot be checked right now. Try again shortly.',
    { cause, status: 503, retryAfterSeconds: 1 },
  );
}

/** The host application or the installation is at fault; the caller learns no more than that. */
export function identityBroken(cause: unknown): GatewayError {
  return new GatewayError('internal_error', 'The gateway failed while handling this request.', { cause });
}

function refuse(code: GatewayErrorCode, message: string, reason: string): GatewayError {
  return new GatewayError(code, message, { status: 401, headers: challenge, cause: new Error(reason) });
}

/** The same answer once more, for a credential that is known to be bad. */
export function repeatRefusal({ code, message, status, headers, cause }: GatewayError): GatewayError {
  return new GatewayError(code, message, { status, cause, ...(headers && { headers }) });
}
