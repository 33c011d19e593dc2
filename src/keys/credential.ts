import { GatewayError } from '../errors.ts';
import type { HeaderMap } from '../message.ts';
import { unauthorized } from './refusal.ts';

const identityHeader = 'x-headgate-key';
const sharedHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'] as const;
const acceptedHeaders =
  'authorization (as "Bearer <key>"), x-api-key, api-key, x-goog-api-key or x-headgate-key';
const maxKeyLength = 256;
const queryNames = new Set(['key', 'api_key', 'api-key', 'apikey', 'access_token', 'oauth_token']);

/**
 * The one credential that identifies the caller, from the header fields that the clients of every dialect use.
 *
 * - `x-headgate-key`, when present, is the only identity. The others then carry the caller's own provider
 *   credential and are ignored here.
 * - Otherwise `authorization: Bearer` (RFC 6750 §2.1, scheme in any case), `x-api-key`, `api-key` and
 *   `x-goog-api-key` are read. Those that are present must hold the same value. Empty fields count as absent,
 *   and so does `authorization` with another scheme.
 * - A query parameter that carries a key is refused whatever the headers say: URLs end up in logs.
 *
 * @param maxLength Longest credential accepted; tokens of an identity provider are longer than keys. @default 256
 * @returns 1 to `maxLength` visible ASCII characters; nothing else is checked.
 * @throws GatewayError `missing_key` (401), `invalid_key` (401: too long, or not visible ASCII),
 *   `ambiguous_credentials` (400, names the header fields), `key_in_query` (400). No message repeats a value.
 */
export function readCredential(headers: HeaderMap, query: string, maxLength = maxKeyLength): string {
  refuseKeyInQuery(query);
  const identity = headers[identityHeader];
  if (identity !== undefined) {
    const value = toSingleValue(identity, identityHeader);
    if (value === '') throw unauthorized('missing_key', 'The x-headgate-key header is empty.');
    return requireVisibleAscii(value, maxLength);
  }

  let credential = '';
  let first = '';
  for (let index = 0; index < sharedHeaders.length; index++) {
    const name = sharedHeaders[index] as string;
    const field = headers[name];
    if (field === undefined) continue;
    const line = toSingleValue(field, name);
    const value = index === 0 ? readBearerToken(line) : line;
    if (value === '') continue;
    if (credential === '') {
      credential = value;
      first = name;
    } else if (value !== credential) {
      throw ambiguous(`${first} and ${name} carry different credentials.`);
    }
  }
  if (credential === '') throw missing(headers);
  return requireVisibleAscii(credential, maxLength);
}

/** @throws GatewayError `key_in_query` (400) */
export function refuseKeyInQuery(query: string): void {
  if (query === '' || !hasKeyInQuery(query)) return;
  throw new GatewayError(
    'key_in_query',
    `Keys are not accepted in the query string. Send the key as ${acceptedHeaders}, and replace this one: URLs are logged.`,
  );
}

/** The token of a `Bearer` credential; empty for any other scheme. */
function readBearerToken(line: string): string {
  if (line.length < 8 || line.charCodeAt(6) !== 32) return '';
  const scheme = line.slice(0, 6);
  if (scheme !== 'Bearer' && scheme.toLowerCase() !== 'bearer') return '';
  return line.charCodeAt(7) === 32 ? line.slice(7).trimStart() : line.slice(7);
}

/** Repeated lines count as one if they are equal. */
function toSingleValue(field: string | readonly string[], name: string): string {
  if (typeof field === 'string') return field;
  const value = field[0] ?? '';
  for (const other of field) {
    if (other !== value) throw ambiguous(`${name} was sent more than once, with different values.`);
  }
  return value;
}

function requireVisibleAscii(credential: string, maxLength: number): string {
  if (credential.length > maxLength) throw unauthorized('invalid_key', 'The key is too long.');
  // not character by character: each access to a slice goes through the string it was cut from
  if (/[^\x21-\x7e]/.test(credential))
    throw unauthorized('invalid_key', 'The key has characters that no key has.');
  return credential;
}

function ambiguous(fact: string): GatewayError {
  return new GatewayError(
    'ambiguous_credentials',
    `${fact} Send one; or send the gateway's key as x-headgate-key, which then is the only identity.`,
  );
}

function missing(headers: HeaderMap): GatewayError {
  const problem = headers.authorization?.length
    ? 'The authorization header holds no Bearer token'
    : 'No key was sent';
  return unauthorized('missing_key', `${problem}. Send the key as ${acceptedHeaders}.`);
}

function hasKeyInQuery(query: string): boolean {
  // common queries (`beta=true`, `alt=sse`, `limit=20`) are ruled out without splitting them
  if (!/key|token|%/i.test(query)) return false;
  return query.split('&').some((pair) => queryNames.has(toQueryName(pair)));
}

function toQueryName(pair: string): string {
  const end = pair.indexOf('=');
  const name = (end === -1 ? pair : pair.slice(0, end)).replace(/^\?/, '').toLowerCase();
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name).toLowerCase();
  } catch {
    return name;
  }
}
