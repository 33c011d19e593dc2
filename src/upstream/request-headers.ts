import type { ConfiguredProvider, Credential } from '../config/snapshot.ts';
import type { HeaderMap } from '../message.ts';
import type { Secret } from '../secrets/secret.ts';

/**
 * What is passed on to every provider. Everything else stays here: hop-by-hop fields, cookies, forwarding fields, the
 * caller's credentials and whatever a `Connection` field names are not on the list, so they need no rule of their own.
 */
const common = ['accept', 'content-type', 'user-agent', 'idempotency-key', 'traceparent', 'tracestate'];

/** Header fields for one attempt: names and values alternating, no name twice. */
export function toRequestHeaders(
  callerHeaders: HeaderMap,
  entry: ConfiguredProvider,
  credential: Credential,
  secret: Secret,
): string[] {
  let fields = ours.get(credential);
  if (fields?.secret !== secret) {
    fields = toFields(entry, credential, secret);
    ours.set(credential, fields);
  }
  const headers = fields.always.slice();
  for (const name of fields.passedOn) {
    const value = callerHeaders[name];
    if (value === undefined) continue;
    const line = typeof value === 'string' ? value : value.join(', ');
    // an adapter over WHATWG headers lets control characters through that no HTTP client sends
    if (!/[^\t\x20-\x7e\x80-\xff]/.test(line)) headers.push(name, line);
  }
  return headers;
}

interface Fields {
  /** What they were made with; a rotated secret is another object. */
  readonly secret: Secret;
  /** The gateway's own, with their values. */
  readonly always: readonly string[];
  /** Names of the caller's fields. */
  readonly passedOn: readonly string[];
}

// the same for all requests of a credential
const ours = new WeakMap<Credential, Fields>();

function toFields(
  { provider, config, headers }: ConfiguredProvider,
  { header }: Credential,
  secret: Secret,
): Fields {
  const always: Record<string, string> = {
    // we relay bytes and read them on the way: a compressed reply could only be relayed blind
    'accept-encoding': 'identity',
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
  };
  // the caller's own credential goes alone
  if (header !== undefined) for (const other of credentialHeaders) delete always[other];
  const [name, value] =
    header === undefined ? provider.authenticate(secret.reveal()) : [header, secret.reveal()];
  always[name] = value;
  const passedOn = [...common, ...provider.requestHeaders, ...config.forwardHeaders].filter(
    (field) => !never.has(field) && !Object.hasOwn(always, field),
  );
  return { secret, always: Object.entries(always).flat(), passedOn: [...new Set(passedOn)] };
}

/** Where providers take credentials from. */
const credentialHeaders = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'];

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
