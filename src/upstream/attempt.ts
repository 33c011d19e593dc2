import type { Call } from '../call.ts';
import type { Arrival, Identified } from '../context.ts';
import type { Operation } from '../dialects/endpoint.ts';
import { dialectByName } from '../dialects/index.ts';
import { GatewayError } from '../errors.ts';
import { countsOnly } from '../limits/estimate.ts';
import type { HeaderMap, Usage } from '../message.ts';
import type { ForwardingPolicy } from '../routing/forwarding.ts';
import type { ObservedAttempt } from '../routing/observations.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Secret } from '../secrets/secret.ts';
import { isSecretError, toCredentialUnavailable } from '../secrets/secret-error.ts';
import { createArrayInspector } from './array-inspector.ts';
import type { Collected, EgressBody, EgressReply } from './egress.ts';
import { createEventInspector } from './event-inspector.ts';
import {
  AttemptFailure,
  toBrokenReply,
  toInvalidReply,
  toReplyFailure,
  toTransportFailure,
} from './failure.ts';
import { holdStream } from './hold.ts';
import type { Inspector } from './inspector.ts';
import { createJsonInspector, passingInspector } from './json-inspector.ts';
import { namesAddresses } from './results-url.ts';
import { readRetryAfterMs } from './retry-after.ts';
import type { Upstream } from './upstream.ts';
import { type AttemptRequest, toUpstreamRequest } from './upstream-request.ts';
import type { Watch, Watched } from './watch.ts';

/** The result of an attempt whose reply the caller gets. */
export interface AttemptReply {
  readonly status: number;
  readonly headers: HeaderMap;
  /** The whole body, or what was read of it so far; inspected. */
  readonly bytes: Uint8Array | undefined;
  /** The rest of the body; undefined when `bytes` is all of it. */
  readonly rest: { readonly body: EgressBody; readonly chunks: AsyncIterator<Uint8Array> } | undefined;
  readonly inspector: Inspector;
  /** What the attempt was made with; must not be shown to the caller. */
  readonly secret: Secret;
}

/** What an attempt is made with. */
export interface AttemptOptions {
  readonly arrival: Arrival & Identified;
  readonly call: Call;
  readonly candidate: Candidate;
  readonly policy: ForwardingPolicy;
  /** Estimate of the input. */
  readonly inputTokens: number;
  readonly observed: ObservedAttempt;
  /** By the monotonic clock. */
  readonly startedAtMs: number;
  /** When the request must be answered, by the same clock; undefined: no deadline. */
  readonly endsAtMs: number | undefined;
}

const maxErrorBytes = 65_536;
/** An error's status says most of it: nobody waits longer than this for its body. */
const maxErrorMs = 5_000;

/** Sends a call to one candidate and reads as much of the reply as it takes to know that it is one. */
export class Attempt implements Watched {
  readonly #upstream: Upstream;
  readonly #options: AttemptOptions;
  #request: AttemptRequest | undefined;
  #body: EgressBody | undefined;
  #cancelled: unknown;
  #reject: ((error: unknown) => void) | undefined;
  #firstTokenMs: number | undefined;
  #isOver = false;
  #inspector: Inspector | undefined;

  constructor(upstream: Upstream, options: AttemptOptions) {
    this.#upstream = upstream;
    this.#options = options;
  }

  /** @throws AttemptFailure when something else may be tried; the signal's reason when the caller is gone. */
  run(): Promise<AttemptReply> {
    const { call, candidate, policy } = this.#options;
    const firstTokenMs = call.stream
      ? (candidate.target.overrides?.timeouts?.firstTokenMs ?? policy.timeouts.firstTokenMs)
      : undefined;
    this.#firstTokenMs = firstTokenMs;
    if (firstTokenMs !== undefined) this.#upstream.watch.add(this, firstTokenMs);
    // a cancelled attempt ends at once, whatever the transport still does
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      void this.#send(resolve);
    });
  }

  overdue(): void {
    const message = 'The provider did not begin to answer in time.';
    this.cancel(
      new AttemptFailure('timeout', new GatewayError('upstream_timeout', message), 'no first token'),
    );
  }

  /** Ends it; `run` rejects with the error. No effect once `run` has resolved. */
  cancel(error: unknown): void {
    if (this.#isOver || this.#cancelled) return;
    this.#cancelled = error;
    this.#unwatch();
    this.#request?.cancel();
    this.#body?.cancel();
    this.#reject?.(error);
  }

  /** Whether it was ended before it had a result. */
  get isCancelled(): boolean {
    return this.#cancelled !== undefined;
  }

  /** Whether the egress has begun with it. */
  get isTaken(): boolean {
    return this.#request?.isTaken === true;
  }

  /** What it may have cost so far, as far as known; undefined when nothing was sent, or it costs nothing. */
  spent(): Usage | undefined {
    const { call, inputTokens } = this.#options;
    if (!this.isTaken || !isMetered(call)) return undefined;
    return this.#inspector?.usage() ?? { inputTokens, outputTokens: 0, source: 'estimated' };
  }

  /** Never rejects: errors go to whoever waits for the reply. */
  async #send(tell: (reply: AttemptReply) => void): Promise<void> {
    const { arrival, call, candidate, policy, observed, endsAtMs } = this.#options;
    try {
      const found = secretOf(candidate);
      const secret = found instanceof Promise ? await found : found;
      const { request, injectedUsage } = toUpstreamRequest(
        arrival,
        call,
        candidate,
        secret,
        policy.timeouts,
        endsAtMs === undefined ? undefined : endsAtMs - arrival.runtime.monotonicMs(),
      );
      this.#request = request;
      request.wait(() => this.cancel(arrival.request.signal.reason));
      if (this.#cancelled) throw this.#cancelled;
      const reply = await this.#upstream.egress.send(request);
      request.answered();
      this.#body = reply.body;
      if (this.#cancelled) reply.body.cancel();
      observed.onHeaders(reply.status, reply.headers);
      const reading = this.#read(reply, injectedUsage, secret);
      const read = 'then' in reading ? await reading : reading;
      // the rest is drained when the caller leaves
      if (read.rest && arrival.snapshot.config.relay.onDisconnect === 'drain') request.outliveCaller();
      tell(read);
    } catch (error) {
      // an unread body is paused, and nothing else would end it
      this.#body?.cancel();
      this.#reject?.(this.#cancelled ?? this.#toFailure(error));
    } finally {
      this.#isOver = true;
      this.#request?.stopWaiting();
      this.#unwatch();
    }
  }

  #toFailure(error: unknown): unknown {
    // there was no request yet: the provider knows nothing of it
    if (this.#request === undefined) return error;
    const { arrival, startedAtMs } = this.#options;
    // what breaks as the caller leaves is not the target's failure
    if (arrival.request.signal.aborted) return arrival.request.signal.reason;
    if (error instanceof AttemptFailure || error instanceof GatewayError) return error;
    return toTransportFailure(error, arrival.runtime.monotonicMs() - startedAtMs);
  }

  #unwatch(): void {
    if (this.#firstTokenMs !== undefined) this.#upstream.watch.remove(this, this.#firstTokenMs);
    this.#firstTokenMs = undefined;
  }

  #read(reply: EgressReply, injectedUsage: boolean, secret: Secret): AttemptReply | Promise<AttemptReply> {
    const { candidate, arrival, call, policy, inputTokens } = this.#options;
    const { status, headers, body } = reply;
    const type = mediaType(headers);
    const encoded = isEncoded(headers);
    // when it cannot be read, its status and headers still say what it is
    if (status >= 400) return this.#refuse(reply, encoded ? '' : type, secret);
    refuseUnreadable(reply, encoded);
    if (type === 'text/html') {
      throw toInvalidReply('The provider answered with a web page.', 'html', { mayCost: false });
    }
    const { relay } = arrival.snapshot.config;
    const dialect = dialectByName[call.endpoint.dialect];
    if (type === 'text/event-stream') {
      const inspector = createEventInspector({
        dialect,
        requestId: arrival.id,
        maxEventBytes: relay.maxEventBytes,
        dropUsage: injectedUsage,
        onMalformed: policy.onMalformedChunk,
        inputTokens,
        secret,
        alongside: candidate.target.provider.headers,
        metered: isMetered(call),
      });
      return this.#hold(reply, inspector, secret);
    }
    if (type !== 'application/json') {
      const rest = { body, chunks: body[Symbol.asyncIterator]() };
      return { status, headers, bytes: undefined, rest, inspector: passingInspector, secret };
    }
    // Gemini without alt=sse streams one JSON array, which must not wait for its end
    if (call.endpoint.streams) {
      return this.#hold(
        reply,
        createArrayInspector(dialect, relay.maxEventBytes, secret, candidate.target.provider.headers),
        secret,
      );
    }
    // a JSON reply is held until whole, so that a broken one can be tried elsewhere; a large one goes out as it comes
    if (Number(headers['content-length']) > relay.maxReplyBytes) throw tooLarge();
    const inspector = createJsonInspector(dialect, relay.maxReplyBytes, isMetered(call));
    this.#inspector = inspector;
    const take = (held: Collected): AttemptReply => {
      if (held.bytes.length > relay.maxReplyBytes) throw tooLarge();
      const bytes = inspector.chunk(held.bytes);
      if (!held.ended) {
        const rest = { body, chunks: body[Symbol.asyncIterator]() };
        return { status, headers, bytes, rest, inspector, secret };
      }
      const { error } = inspector.end();
      if (error) throw toInvalidReply(error.message, 'invalid json', { again: true });
      return { status, headers, bytes, rest: undefined, inspector, secret };
    };
    // a reply with an address goes out after that was replaced by the gateway's own
    const held = body.collect(namesAddresses(call) ? relay.maxReplyBytes : relay.heldReplyBytes);
    return 'then' in held ? held.then(take, refuseBroken) : take(held);
  }

  async #hold(reply: EgressReply, inspector: Inspector, secret: Secret): Promise<AttemptReply> {
    const { status, headers, body } = reply;
    this.#inspector = inspector;
    const { arrival, policy } = this.#options;
    const untilWhole = policy.commit === 'complete';
    const { relay } = arrival.snapshot.config;
    const most = untilWhole ? relay.heldReplyBytes : relay.heldStreamBytes;
    const { bytes, rest } = await holdStream(reply, secret, inspector, most, untilWhole, () => {
      this.#unwatch();
      this.#options.observed.onFirstToken();
    });
    return { status, headers, bytes, rest: rest && { body, chunks: rest }, inspector, secret };
  }

  async #refuse({ status, headers, body }: EgressReply, type: string, secret: Secret): Promise<never> {
    const { arrival, candidate } = this.#options;
    const { bytes, parsed } = await readError(body, type, this.#upstream.watch);
    const failure = candidate.target.provider.provider.classify(status, headers, parsed);
    const retryAfterMs = readRetryAfterMs(headers, arrival.runtime.now()) ?? failure.retryAfterMs;
    throw toReplyFailure(status, failure, retryAfterMs, {
      status,
      headers,
      // only a well-formed error in the provider's own shape is shown to the caller
      bytes: parsed === undefined ? undefined : bytes,
      rest: undefined,
      inspector: passingInspector,
      secret,
    });
  }
}

/** @throws AttemptFailure for what the gateway never asks for: compressed replies, redirects */
function refuseUnreadable({ status, headers }: EgressReply, encoded: boolean): void {
  if (encoded) {
    throw toInvalidReply(
      'The provider sent a compressed reply although none was asked for.',
      `encoding ${String(headers['content-encoding']).slice(0, 20)}`,
    );
  }
  if (status >= 300 && status < 400) {
    throw toInvalidReply(
      'The provider answered with a redirect, which this gateway does not follow.',
      `status ${status}`,
      { code: 'upstream_redirect', mayCost: false },
    );
  }
}

function isEncoded({ 'content-encoding': encoding }: HeaderMap): boolean {
  return encoding !== undefined && String(encoding).trim().toLowerCase() !== 'identity';
}

function tooLarge(): AttemptFailure {
  return toInvalidReply('The provider sent a reply larger than this gateway relays.', 'too large');
}

/** For a reply that broke while it was held. */
function refuseBroken(error: unknown): never {
  const failure = toBrokenReply(error);
  if (failure.kind === 'timeout') throw failure;
  throw toInvalidReply(failure.error.message, failure.reason, { again: true });
}

/**
 * The current secret; a promise when it has not been fetched yet.
 *
 * @throws AttemptFailure when there is none: another credential may have one.
 */
function secretOf({ credential: { source } }: Candidate): Secret | Promise<Secret> {
  try {
    return source.current();
  } catch {
    return source
      .ready()
      .then(() => source.current())
      .catch((error: unknown) => {
        if (!isSecretError(error)) throw error;
        const told = toCredentialUnavailable(error);
        throw new AttemptFailure('credential', told, 'credential unavailable', {
          unhealthy: false,
          again: false,
        });
      });
  }
}

/** Whether a reply reports new usage: reading a stored response repeats what its creation reported. */
function isMetered({ endpoint }: Call): boolean {
  return !unmetered.has(endpoint.operation);
}

const unmetered = new Set<Operation>(['response-resource', 'message-batch-resource', ...countsOnly]);

async function readError(
  body: EgressBody,
  type: string,
  watch: Watch,
): Promise<{ bytes: Uint8Array; parsed: unknown }> {
  const reading = { overdue: () => body.cancel() };
  watch.add(reading, maxErrorMs);
  try {
    const { bytes, ended } = await body.collect(maxErrorBytes);
    const parsed: unknown =
      ended && type === 'application/json' ? JSON.parse(new TextDecoder().decode(bytes)) : undefined;
    return { bytes, parsed: typeof parsed === 'object' && parsed !== null ? parsed : undefined };
  } catch {
    // an error whose body cannot be read is still the error that its status says
    return { bytes: new Uint8Array(0), parsed: undefined };
  } finally {
    watch.remove(reading, maxErrorMs);
  }
}

/** `application/json` out of `Application/JSON; charset=utf-8`; '' when there is none, or different ones. */
function mediaType({ 'content-type': given }: HeaderMap): string {
  let value = given;
  if (typeof value !== 'string') {
    const types = new Set(value?.map((one) => one.trim()));
    value = types.size === 1 ? [...types][0] : undefined;
  }
  if (value === undefined) return '';
  const end = value.indexOf(';');
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
}
