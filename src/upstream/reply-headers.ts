import type { ConfiguredProvider } from '../config/snapshot.ts';
import type { Arrival } from '../context.ts';
import type { HeaderMap } from '../message.ts';
import type { Secret } from '../secrets/secret.ts';
import { tokenOf } from './scrub.ts';

/**
 * Header fields of a relayed reply. Every provider's type, disposition and caching of the body and `retry-after` are
 * passed back; cookies, framing, CORS and the rate limits of the shared credential are not.
 */
export function toReplyHeaders(
  { id, endpoint }: Pick<Arrival, 'id' | 'endpoint'>,
  upstream: HeaderMap,
  entry: ConfiguredProvider,
  limitHeaders: HeaderMap,
  secret: Secret,
): HeaderMap {
  // one shape for all replies, absent fields included, not one that grows field by field
  const headers: Record<string, string | readonly string[] | undefined> = {
    ...limitHeaders,
    'content-type': upstream['content-type'],
    'content-disposition': upstream['content-disposition'],
    'cache-control': upstream['cache-control'],
    'retry-after': upstream['retry-after'],
    'x-request-id': id,
    'request-id': endpoint.family === 'anthropic' ? id : undefined,
    'x-headgate-upstream-request-id': upstreamId(upstream, secret),
  };
  copy(entry.provider.replyHeaders, upstream, headers);
  copy(entry.config.relayHeaders, upstream, headers);
  return headers;
}

const idPattern = /^[\w.:-]{1,128}$/;

function upstreamId(upstream: HeaderMap, secret: Secret): string | undefined {
  const id = upstream['request-id'] ?? upstream['x-request-id'];
  // a provider's id is short and plain; a credential in its place is not passed on
  return typeof id === 'string' && idPattern.test(id) && !id.includes(tokenOf(secret)) ? id : undefined;
}

const framing = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'content-encoding',
  'trailer',
  'upgrade',
]);

function copy(
  names: readonly string[],
  from: HeaderMap,
  to: Record<string, string | readonly string[] | undefined>,
): void {
  for (const name of names) {
    const value = from[name];
    if (value !== undefined && to[name] === undefined && !framing.has(name)) to[name] = value;
  }
}
