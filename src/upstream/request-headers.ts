import type { ConfiguredProvider, Credential } from '../config/snapshot.ts';
import type { HeaderMap } from '../message.ts';

/**
 * What is passed on to every provider. Everything else stays here: hop-by-hop fields, cookies, forwarding fields, the
 * caller's credentials and whatever a `Connection` field names are not on the list, so they need no rule of their own.
 */
const common = ['accept', 'content-type', 'user-agent', 'idempotency-key', 'traceparent', 'tracestate'];

/** Header fields for one attempt. */
export function toRequestHeaders(
  callerHeaders: HeaderMap,
  entry: ConfiguredProvider,
  credential: Credential,
): Record<string, string> {
  const headers: Record<string, string> = {};
  copy(common, callerHeaders, headers);
  copy(entry.provider.requestHeaders, callerHeaders, headers);
  copy(entry.config.forwardHeaders, callerHeaders, headers);
  // we relay bytes and read them on the way: a compressed reply could only be relayed blind
  headers['accept-encoding'] = 'identity';
  Object.assign(headers, entry.config.headers);
  const [name, value] = entry.provider.authenticate(credential.secret.reveal());
  headers[name] = value;
  return headers;
}

/** Fields that no configuration may pass on: they would carry the caller's key or break the framing. */
const never = new Set([
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-headgate-key',
  'cookie',
  'host',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'expect',
  'accept-encoding',
]);

function copy(names: readonly string[], from: HeaderMap, to: Record<string, string>): void {
  for (const name of names) {
    const value = from[name];
    if (value === undefined || never.has(name)) continue;
    const line = typeof value === 'string' ? value : value.join(', ');
    // an adapter over WHATWG headers lets control characters through that no HTTP client sends
    if (!/[^\t\x20-\x7e\x80-\xff]/.test(line)) to[name] = line;
  }
}
