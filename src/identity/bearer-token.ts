import { isGatewayError } from '../errors.ts';
import { readCredential } from '../keys/credential.ts';
import type { GatewayRequest } from '../message.ts';

/** What a token claims about itself before it is verified. */
export interface TokenClaim {
  readonly header: Readonly<Record<string, unknown>>;
  readonly issuer: unknown;
}

// RFC 7515 §7.1: three base64url parts. The last is empty in an unsigned token, which verification refuses.
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * The token that a request carries in place of a key, from the same header fields; `undefined` when it carries none,
 * a Headgate key, or something that is neither.
 *
 * @throws GatewayError 400 `ambiguous_credentials`, `key_in_query`
 */
export function readToken(request: GatewayRequest, maxLength: number): string | undefined {
  let credential: string;
  try {
    credential = readCredential(request.headers, request.query, maxLength);
  } catch (error) {
    // no credential, or one that is no token: the next way says what is wrong
    if (isGatewayError(error) && error.status === 401) return undefined;
    throw error;
  }
  return credential.startsWith('hg_') || !compactForm.test(credential) ? undefined : credential;
}

/** Decodes a token without trusting it; `undefined` when its parts are not JSON objects. */
export function peekToken(token: string): TokenClaim | undefined {
  const [header, payload] = token.split('.', 2).map(decode);
  return header && payload && { header, issuer: payload.iss };
}

function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
