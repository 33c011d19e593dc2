import type { Dialect } from './dialects/dialect.ts';
import type { GatewayError } from './errors.ts';
import type { GatewayReply, HeaderMap, Outcome } from './message.ts';
import { toKnownOutcome } from './outcome.ts';
import { toBytes } from './upstream/bytes.ts';

/** A reply whose bytes are all there. Its outcome has settled. */
export function toReply(
  status: number,
  headers: HeaderMap,
  body: string | Uint8Array,
  outcome: Omit<Outcome, 'replyBytes'> = { kind: 'complete' },
): GatewayReply {
  const bytes = typeof body === 'string' ? toBytes(body) : body;
  const ended = { ...outcome, replyBytes: bytes.length };
  return { status, headers, body: bytes, outcome: toKnownOutcome(ended) };
}

/** A refusal or an outage in the caller's dialect; `id` is the request's. */
export function toErrorReply(error: GatewayError, dialect: Dialect, id: string): GatewayReply {
  const { status, headers, body } = dialect.renderError(error, id);
  return toReply(status, headers, body, {
    kind: error.status < 500 ? 'refused' : 'failed',
    errorCode: error.code,
  });
}
