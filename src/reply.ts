import type { GatewayReply, HeaderMap, Outcome } from './message.ts';
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
  return { status, headers, body: bytes, outcome: Promise.resolve(ended) };
}
