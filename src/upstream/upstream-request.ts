import { BodyMemory } from '../body-memory.ts';
import type { Call } from '../call.ts';
import type { ConfiguredProvider, Credential, TargetOverrides } from '../config/snapshot.ts';
import type { Arrival, Identified } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { spliceJson } from '../json/splice.ts';
import type { GatewayRequest } from '../message.ts';
import { overlayTimeouts, type Timeouts } from '../routing/forwarding.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Secret } from '../secrets/secret.ts';
import { whenGone } from '../when-gone.ts';
import { bodyEdits, needsUsage } from './body-edits.ts';
import { toBytes } from './bytes.ts';
import type { EgressRequest } from './egress.ts';
import { overrideHeaders } from './overrides.ts';
import { poolNameOf } from './pool-name.ts';
import { toRequestHeaders } from './request-headers.ts';

/** The request of one attempt, and whether the gateway asked for a usage event of its own. */
export interface UpstreamRequest {
  readonly request: AttemptRequest;
  readonly injectedUsage: boolean;
}

/**
 * Turns a call into the HTTP request for one candidate. The body stays as it came except for the fields that the
 * gateway owns and those that the target overrides.
 *
 * @param timeouts of the plan; the target's own win, and the provider's apply where neither is set
 * @param leftMs until the request must be answered; sent to a provider that has a header for it
 * @throws Error when the memory of the body has been given back
 */
export function toUpstreamRequest(
  arrival: Arrival & Identified,
  call: Call,
  { target, credential }: Candidate,
  secret: Secret,
  timeouts: Timeouts = {},
  leftMs?: number,
): UpstreamRequest {
  const { provider: entry, model } = target;
  call.memory?.check();
  const injectedUsage = needsUsage(call, entry.config.streamUsage);
  const edits = bodyEdits(arrival, call, target);
  let body = edits.length > 0 ? spliceJson(call.body, edits) : call.body;
  if (call.modelSpan && model !== undefined && model !== call.model) {
    body = spliceJson(call.body, [{ ...call.modelSpan, bytes: toBytes(model) }]);
  }
  return {
    injectedUsage,
    request: new AttemptRequest(
      arrival.request,
      entry,
      credential,
      secret,
      entry.basePath + entry.provider.path(call, model),
      body.length > 0 ? body : undefined,
      body === call.body ? call.memory : BodyMemory.of(body),
      body !== call.body,
      call.stream,
      target.overrides,
      overlayTimeouts(timeouts, target.overrides?.timeouts),
      leftMs,
    ),
  };
}

/** The request as the egress takes it; a class so that `signal` is made only when somebody asks. */
export class AttemptRequest implements EgressRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array | undefined;
  readonly lendBody: (() => () => void) | undefined;
  readonly streams: boolean;
  readonly pool: string;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly #caller: GatewayRequest;
  /** The memory of a body written for this attempt alone. */
  #own: BodyMemory | undefined;
  #isCancelled = false;
  #onCancel: (() => void) | undefined;
  #controller: AbortController | undefined;
  #unfollow: (() => void) | undefined;
  #unwait: (() => void) | undefined;

  constructor(
    caller: GatewayRequest,
    entry: ConfiguredProvider,
    credential: Credential,
    secret: Secret,
    path: string,
    body: Uint8Array | undefined,
    memory: BodyMemory | undefined,
    isOwn: boolean,
    streams: boolean,
    overrides: TargetOverrides | undefined,
    { connectMs, headersMs, idleMs }: Timeouts,
    leftMs: number | undefined,
  ) {
    const { config, provider } = entry;
    this.origin = entry.origin;
    this.path = path;
    this.method = caller.method;
    let headers = toRequestHeaders(caller.headers, entry, credential, secret);
    if (leftMs !== undefined && provider.deadline)
      headers = overrideHeaders(headers, provider.deadline(leftMs));
    this.headers = overrides?.headers ? overrideHeaders(headers, overrides.headers) : headers;
    this.body = body;
    this.lendBody = memory?.hold();
    if (isOwn) this.#own = memory;
    this.streams = streams;
    const pool = poolNameOf(credential, secret);
    // a pool has one connect timeout
    this.pool =
      connectMs === undefined || connectMs === config.connectTimeoutMs ? pool : `${pool}~${connectMs}`;
    this.maxConnections = config.maxConnections;
    this.connectTimeoutMs = connectMs ?? config.connectTimeoutMs;
    this.headersTimeoutMs = headersMs ?? config.headersTimeoutMs;
    this.idleTimeoutMs = idleMs ?? config.idleTimeoutMs;
    this.#caller = caller;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.stopWaiting();
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#isCancelled) controller.abort();
      this.#follow(() =>
        controller.abort(
          new GatewayError('caller_gone', 'The caller has gone away.', { cause: this.#caller.signal.reason }),
        ),
      );
    }
    return this.#controller.signal;
  }

  /** Whether the egress has begun with it: a request ended before that cannot have cost anything. */
  get isTaken(): boolean {
    return this.#onCancel !== undefined || this.#controller !== undefined;
  }

  /** Calls `listener` when the caller leaves before the egress has begun with it: no connection may be free. */
  wait(listener: () => void): void {
    this.#unwait = whenGone(this.#caller, listener);
  }

  /** The egress has begun, or it failed. */
  stopWaiting(): void {
    this.#unwait?.();
    this.#unwait = undefined;
  }

  whenGone(listener: () => void): () => void {
    this.stopWaiting();
    this.#onCancel = listener;
    if (this.#isCancelled) listener();
    return this.#follow(listener);
  }

  #follow(listener: () => void): () => void {
    const forget = whenGone(this.#caller, listener);
    const before = this.#unfollow;
    this.#unfollow = before ? () => [before(), forget()] : forget;
    return forget;
  }

  /** The caller's leaving no longer ends it: whoever reads the reply decides what becomes of it. */
  outliveCaller(): void {
    this.#unfollow?.();
  }

  /** The reply has begun: a body of its own is not sent again. */
  answered(): void {
    this.#own?.end();
    this.#own = undefined;
  }

  /** Ends it, although the caller is still there. */
  cancel(): void {
    this.#isCancelled = true;
    this.#controller?.abort();
    this.#onCancel?.();
  }
}
