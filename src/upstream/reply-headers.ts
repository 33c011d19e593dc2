import type { ConfiguredProvider } from '../config/snapshot.ts';
import type { Arrival } from '../context.ts';
import type { HeaderMap } from '../message.ts';

/** Passed back from every provider. Not on the list: cookies, framing, CORS, and rate limits of the shared credential. */
const common = ['content-type', 'content-disposition', 'cache-control', 'retry-after'];

const upstreamIds = ['x-request-id', 'request-id'];

/** Header fields of a relayed reply, our own request id among them. */
export function toReplyHeaders(
  { id, endpoint }: Pick<Arrival, 'id' | 'endpoint'>,
  upstream: HeaderMap,
  entry: ConfiguredProvider,
  limitHeaders: Readonly<Record<string, string>>,
): Record<string, string | readonly string[]> {
  const headers: Record<string, string | readonly string[]> = {};
  copy(common, upstream, headers);
  copy(entry.provider.replyHeaders, upstream, headers);
  copy(entry.config.relayHeaders, upstream, headers);
  for (const name of upstreamIds) {
    const value = upstream[name];
    if (typeof value === 'string') headers['x-headgate-upstream-request-id'] = value;
  }
  headers['x-request-id'] = id;
  if (endpoint.family === 'anthropic') headers['request-id'] = id;
  Object.assign(headers, limitHeaders);
  return headers;
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
  to: Record<string, string | readonly string[]>,
): void {
  for (const name of names) {
    const value = from[name];
    if (value !== undefined && !framing.has(name)) to[name] = value;
  }
}
