import type { Arrival, Received } from '../context.ts';
import { toBuffer, toBytes } from './bytes.ts';

/**
 * Anthropic's batches name the address of their results, and its SDKs go there with whatever key they hold. The address
 * is made the gateway's own, so that the way leads back here.
 */
export function rewriteResultsUrl(context: Arrival & Received, bytes: Uint8Array): Uint8Array {
  const { operation, prefix } = context.call.endpoint;
  if (operation !== 'message-batch-create' && operation !== 'message-batch-resource') return bytes;
  const text = toBuffer(bytes).toString();
  const rewritten = text.replace(/"results_url"\s*:\s*"(https?:\/\/[^"\\]*)"/g, (whole, url: string) => {
    const path = /\/v1\/messages\/batches\/[A-Za-z0-9_-]+\/results$/.exec(url)?.[0];
    return path ? `"results_url":${JSON.stringify(publicBase(context) + prefix + path)}` : whole;
  });
  return rewritten === text ? bytes : toBytes(rewritten);
}

function publicBase({ snapshot, request }: Arrival): string {
  const configured = snapshot.config.publicUrl;
  if (configured) return new URL(configured).origin;
  const host = request.headers.host ?? request.headers[':authority'];
  return `${request.secure ? 'https' : 'http'}://${typeof host === 'string' ? host : 'localhost'}`;
}
