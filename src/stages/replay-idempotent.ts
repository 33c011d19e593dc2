import { LRUCache } from 'lru-cache';
import type { Arrival, Identified, Received } from '../context.ts';
import { GatewayError } from '../errors.ts';
import type { GatewayReply } from '../message.ts';
import { nothing, type Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';
import type { Runtime } from '../runtime.ts';

/** What is known of a request with an idempotency key. */
interface Entry {
  readonly bodyDigest: string;
  readonly reply:
    | { readonly status: number; readonly headers: GatewayReply['headers']; readonly body: Uint8Array }
    | undefined;
  readonly expiresAtMs: number;
}

type Context = Arrival & Identified & Received;

/**
 * Treats a repeated request with the same `idempotency-key` as the same request: answered from memory when the first is
 * done, refused while it runs, and never sent twice. Each gateway key has idempotency keys of its own. Only whole,
 * buffered, successful replies are kept; a stream or a failure may be tried again under the same key. What is kept is
 * bounded by `idempotency` in the configuration, and local to this process.
 *
 * @throws GatewayError `idempotency_conflict` (409) while the first runs, `idempotency_mismatch` (422) when the body differs.
 */
export function replayIdempotent(options: {
  readonly runtime: Runtime;
  readonly digest: (body: Uint8Array) => string;
  readonly maxEntries: number;
}): Stage<Context, object> {
  const entries = new LRUCache<string, Entry>({ max: Math.max(1, options.maxEntries) });
  // running requests are not in the cache: they must not be evicted while they run
  const running = new Map<string, string>();
  async function replay(
    { request, principal, call, snapshot, record, id }: Context,
    next: Parameters<Stage<Context, object>['run']>[1],
  ): Promise<GatewayReply> {
    const given = request.headers['idempotency-key'];
    const { maxReplyBytes, ttlMs } = snapshot.config.idempotency;
    if (typeof given !== 'string' || given.length === 0 || given.length > 255) {
      throw new GatewayError(
        'malformed_request',
        'The idempotency-key header must be one value of 1 to 255 characters.',
      );
    }
    const key = `${principal.key} ${request.method} ${call.endpoint.upstreamPath}${call.query} ${given}`;
    const bodyDigest = `${call.model} ${options.digest(call.body)}`;
    const runningDigest = running.get(key);
    const found = entries.get(key);
    const entry = found && found.expiresAtMs > options.runtime.monotonicMs() ? found : undefined;
    const knownDigest = runningDigest ?? entry?.bodyDigest;
    if (knownDigest !== undefined && knownDigest !== bodyDigest) {
      throw new GatewayError(
        'idempotency_mismatch',
        'This idempotency-key was used with another request. Use a new one.',
      );
    }
    if (runningDigest !== undefined) {
      throw new GatewayError(
        'idempotency_conflict',
        'A request with this idempotency-key is still running. Wait for it.',
        { retryable: false },
      );
    }
    if (entry?.reply) {
      record.replayed = true;
      const { status, headers, body } = entry.reply;
      const ids =
        headers['request-id'] === undefined
          ? { 'x-request-id': id }
          : { 'x-request-id': id, 'request-id': id };
      return toReply(status, { ...headers, ...ids, 'idempotent-replayed': 'true' }, body);
    }
    running.set(key, bodyDigest);
    try {
      const reply = await next(nothing);
      const isKept =
        reply.status < 300 && reply.body instanceof Uint8Array && reply.body.length <= maxReplyBytes;
      if (isKept) {
        const { status, headers, body } = reply as typeof reply & { body: Uint8Array };
        entries.set(key, {
          bodyDigest,
          reply: { status, headers, body },
          expiresAtMs: options.runtime.monotonicMs() + ttlMs,
        });
      }
      void reply.outcome.then(() => running.delete(key));
      return reply;
    } catch (error) {
      running.delete(key);
      throw error;
    }
  }

  return {
    name: 'replayIdempotent',
    run(context, next) {
      const isAsked = context.request.headers['idempotency-key'] !== undefined;
      return isAsked && context.snapshot.config.idempotency.maxEntries > 0
        ? replay(context, next)
        : next(nothing);
    },
  };
}
