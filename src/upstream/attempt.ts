import type { Call } from '../call.ts';
import type { Arrival, Identified } from '../context.ts';
import { dialectByName } from '../dialects/index.ts';
import type { HeaderMap } from '../message.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Secret } from '../secrets/secret.ts';
import { isSecretError, toCredentialUnavailable } from '../secrets/secret-error.ts';
import { createArrayInspector } from './array-inspector.ts';
import type { Egress, EgressBody, EgressReply } from './egress.ts';
import { createEventInspector } from './event-inspector.ts';
import { AttemptFailure, toInvalidReply, toReplyFailure, toTransportFailure } from './failure.ts';
import type { Inspector } from './inspector.ts';
import { createJsonInspector, passingInspector } from './json-inspector.ts';
import { readRetryAfterMs } from './retry-after.ts';
import { toUpstreamRequest } from './upstream-request.ts';

/** What an attempt that will be answered with came to. */
export interface AttemptReply {
  readonly status: number;
  readonly headers: HeaderMap;
  /** The whole body, or what was read of it so far. */
  readonly bytes: Uint8Array | undefined;
  /** The rest of the body; undefined when `bytes` is all of it. */
  readonly rest: EgressBody | undefined;
  readonly inspector: Inspector;
  /** True for the provider's refusal of a bad request, which the caller gets to see. */
  readonly refused: boolean;
  /** What the attempt was made with; must not be shown to the caller. */
  readonly secret: Secret;
}

const maxErrorBytes = 65_536;

/**
 * Sends a call to one candidate and reads as much of the reply as is needed to know that it is one.
 *
 * @throws AttemptFailure when something else may be tried; the signal's reason when the caller is gone.
 */
export async function attempt(
  egress: Egress,
  arrival: Arrival & Identified,
  call: Call,
  candidate: Candidate,
  inputTokens: number,
): Promise<AttemptReply> {
  const found = secretOf(candidate);
  const secret = found instanceof Promise ? await found : found;
  const { request, injectedUsage } = toUpstreamRequest(arrival, call, candidate, secret);
  let reply: EgressReply;
  try {
    reply = await egress.send(request);
  } catch (error) {
    if (arrival.request.signal.aborted) throw error;
    throw toTransportFailure(error);
  }
  const { status, headers, body } = reply;
  const type = mediaType(headers);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    body.cancel();
    throw toInvalidReply(
      'The provider sent a compressed reply although none was asked for.',
      `encoding ${String(encoding).slice(0, 20)}`,
    );
  }
  if (status >= 300 && status < 400) {
    body.cancel();
    throw toInvalidReply(
      'The provider answered with a redirect, which this gateway does not follow.',
      `status ${status}`,
      'upstream_redirect',
    );
  }
  if (status >= 400) return refuse(arrival, candidate, reply, type, secret);
  if (type === 'text/html') {
    body.cancel();
    throw toInvalidReply('The provider answered with a web page.', 'html');
  }

  const { relay } = arrival.snapshot.config;
  const dialect = dialectByName[call.endpoint.dialect];
  if (type === 'text/event-stream') {
    const inspector = createEventInspector({
      dialect,
      requestId: arrival.id,
      maxEventBytes: relay.maxEventBytes,
      dropUsage: injectedUsage,
      inputTokens,
      secret,
    });
    return { status, headers, bytes: undefined, rest: body, inspector, refused: false, secret };
  }
  if (type !== 'application/json') {
    const inspector = passingInspector;
    return { status, headers, bytes: undefined, rest: body, inspector, refused: false, secret };
  }

  // Gemini without alt=sse streams one JSON array, which must not wait for its end
  if (call.endpoint.streams) {
    const inspector = createArrayInspector(dialect, relay.maxEventBytes);
    return { status, headers, bytes: undefined, rest: body, inspector, refused: false, secret };
  }
  // a JSON reply is kept until it is whole, so that a broken one can be tried elsewhere; a large one goes out as it comes
  const inspector = createJsonInspector(dialect, relay.maxReplyBytes, isMetered(call));
  let held: { readonly bytes: Uint8Array; readonly ended: boolean };
  try {
    held = await body.collect(relay.heldReplyBytes);
  } catch (error) {
    if (arrival.request.signal.aborted) throw error;
    throw toInvalidReply(
      'The connection to the provider broke in the middle of its reply.',
      'connection broke',
    );
  }
  const { bytes } = held;
  if (!held.ended) return { status, headers, bytes, rest: body, inspector, refused: false, secret };
  inspector.chunk(bytes);
  const { error } = inspector.end();
  if (error) throw toInvalidReply(error.message, 'invalid json');
  return { status, headers, bytes, rest: undefined, inspector, refused: false, secret };
}

/**
 * The secret as of now; a promise where it has not been fetched yet.
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
        const options = { retry: 'elsewhere', unhealthy: false } as const;
        throw new AttemptFailure(toCredentialUnavailable(error), 'credential unavailable', options);
      });
  }
}

/** Whether the reply's usage is new: reading a stored response tells again what its creation has told. */
function isMetered({ endpoint }: Call): boolean {
  return endpoint.operation !== 'response-resource' && endpoint.operation !== 'message-batch-resource';
}

async function refuse(
  arrival: Arrival,
  candidate: Candidate,
  { status, headers, body }: EgressReply,
  type: string,
  secret: Secret,
): Promise<AttemptReply> {
  const { bytes, parsed } = await readError(body, type);
  const failure = candidate.target.provider.provider.classify(status, headers, parsed);
  if (failure.kind !== 'bad_request') {
    throw toReplyFailure(status, failure, readRetryAfterMs(headers, arrival.runtime.now()));
  }
  // only a well-formed error in the provider's own shape is shown to the caller
  return {
    status,
    headers,
    bytes: parsed === undefined ? undefined : bytes,
    rest: undefined,
    inspector: passingInspector,
    refused: true,
    secret,
  };
}

async function readError(body: EgressBody, type: string): Promise<{ bytes: Uint8Array; parsed: unknown }> {
  try {
    const { bytes, ended } = await body.collect(maxErrorBytes);
    if (!ended) body.cancel();
    const parsed: unknown =
      ended && type === 'application/json' ? JSON.parse(new TextDecoder().decode(bytes)) : undefined;
    return { bytes, parsed: typeof parsed === 'object' && parsed !== null ? parsed : undefined };
  } catch {
    // an error whose body cannot be read is still the error that its status says
    return { bytes: new Uint8Array(0), parsed: undefined };
  }
}

/** `application/json` out of `Application/JSON; charset=utf-8`; '' when there is none. */
function mediaType(headers: HeaderMap): string {
  const value = headers['content-type'];
  if (typeof value !== 'string') return '';
  const end = value.indexOf(';');
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
}
