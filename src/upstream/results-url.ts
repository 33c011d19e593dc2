import type { Arrival, Received } from '../context.ts';
import { isResourceId } from '../dialects/path-syntax.ts';
import { asObject, type Members, parseObject } from '../dialects/stream-data.ts';
import { toBuffer, toBytes } from './bytes.ts';

const operations: ReadonlySet<string> = new Set(['message-batch-create', 'message-batch-resource']);

/** Whether replies hold URLs that SDKs fetch with whatever key they hold: Anthropic's batches, with their results. */
export function namesAddresses({ endpoint }: Received['call']): boolean {
  return operations.has(endpoint.operation);
}

/**
 * Makes the URL of a batch's results the gateway's own, so that callers come back here: whatever URL the provider
 * gives, the key that a caller sends there is the gateway's.
 */
export function rewriteResultsUrl(context: Arrival & Received, bytes: Uint8Array): Uint8Array {
  if (!namesAddresses(context.call)) return bytes;
  const reply = parseObject(toBuffer(bytes).toString());
  // results are JSON Lines, not an object
  if (!reply) return bytes;
  const base = `${publicBase(context)}${context.call.endpoint.prefix}/v1/messages/batches/`;
  const toOwn = (batch: Members): Members => {
    const { id, results_url: address } = batch;
    if (typeof address !== 'string') return batch;
    return { ...batch, results_url: isResourceId(String(id)) ? `${base}${id}/results` : null };
  };
  const own = Array.isArray(reply.data)
    ? { ...reply, data: reply.data.map((one) => (asObject(one) ? toOwn(one) : one)) }
    : toOwn(reply);
  return toBytes(JSON.stringify(own));
}

function publicBase({ snapshot, request }: Arrival): string {
  const configured = snapshot.config.publicUrl;
  if (configured) return new URL(configured).origin;
  const host = request.headers.host ?? request.headers[':authority'];
  return `${request.secure ? 'https' : 'http'}://${typeof host === 'string' ? host : 'localhost'}`;
}
