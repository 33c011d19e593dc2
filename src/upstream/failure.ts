import { GatewayError, type GatewayErrorCode, isGatewayError } from '../errors.ts';
import { classifyStatus, memberOf } from '../providers/classify.ts';
import type { ProviderFailure } from '../providers/provider.ts';
import type { FailureClass } from '../routing/forwarding.ts';
import type { AttemptReply } from './attempt.ts';
import { isStaleConnection } from './stale-connection.ts';
import { notLoadedCode } from './undici-egress.ts';

/** What is known of a failure besides its class. */
export interface FailureFacts {
  /** Whether it counts against the target's health. A busy or unpaid target is not unhealthy. @default true */
  readonly unhealthy?: boolean;
  /** Whether the same target and credential could answer otherwise when asked again. @default true */
  readonly again?: boolean;
  /** Whether the provider may have worked on the request, and may charge for it. @default by its class */
  readonly mayCost?: boolean;
  /** How long the provider asked to be left alone. */
  readonly retryAfterMs?: number | undefined;
  /** The provider's own error, which the caller gets when nothing else serves. */
  readonly refusal?: AttemptReply | undefined;
}

/** Why an attempt failed. The policy decides what follows. */
export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure';
  readonly kind: FailureClass;
  /** What the caller is told if nothing else serves. */
  readonly error: GatewayError;
  /** Short name for the record: `connect`, `timeout`, `status 503`, … */
  readonly reason: string;
  readonly unhealthy: boolean;
  readonly again: boolean;
  readonly mayCost: boolean;
  readonly retryAfterMs: number | undefined;
  readonly refusal: AttemptReply | undefined;

  constructor(kind: FailureClass, error: GatewayError, reason: string, facts: FailureFacts = {}) {
    super(reason, { cause: error });
    this.kind = kind;
    this.error = error;
    this.reason = reason;
    this.unhealthy = facts.unhealthy ?? true;
    this.again = facts.again ?? true;
    this.mayCost = facts.mayCost ?? costly.has(kind);
    this.retryAfterMs = facts.retryAfterMs;
    this.refusal = facts.refusal;
  }
}

/** The request was written, and perhaps worked on. */
const costly: ReadonlySet<FailureClass> = new Set<FailureClass>(['uncertain', 'timeout', 'broken-stream']);

const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  // from the guarded lookup
  'ERR_ADDRESS_REFUSED',
]);

/** Our own machine cannot open another socket or file: no target is to blame, and none would do better. */
const ours = new Set(['EMFILE', 'ENFILE', notLoadedCode]);

/** A connection that was idle for too long ends as soon as it is written to: one that ends later was at work. */
const staleMs = 1_000;

/**
 * Classifies what the transport threw. The text of the error is for the operator only.
 *
 * @param afterMs how long after the attempt began. @default at once
 */
export function toTransportFailure(cause: unknown, afterMs = 0): AttemptFailure {
  const { code, syscall } = systemErrorOf(cause);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    const error = new GatewayError('upstream_timeout', 'The provider did not answer in time.', { cause });
    return new AttemptFailure(code === 'UND_ERR_HEADERS_TIMEOUT' ? 'uncertain' : 'timeout', error, 'timeout');
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    const error = new GatewayError(
      'malformed_request',
      'The path or a header of this request cannot be sent on.',
      { cause },
    );
    return new AttemptFailure('bad-request', error, 'not sendable', { unhealthy: false, again: false });
  }
  if (ours.has(code)) {
    // callers' connections take sockets, too: closing this one frees one for when the caller comes again
    const error = new GatewayError(
      'overloaded',
      'This gateway is out of sockets or files. Try again shortly.',
      {
        retryAfterSeconds: 1,
        headers: { connection: 'close' },
        cause,
      },
    );
    return new AttemptFailure('not-sent', error, 'out of sockets', { unhealthy: false });
  }
  // an established connection can end with the same codes; then nobody knows what the provider has received
  if (neverSent.has(code) && syscall !== 'read' && syscall !== 'write')
    return unreachable('not-sent', 'connect', 'The provider could not be reached.', cause);
  if (/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO)/.test(code)) {
    const error = new GatewayError('upstream_tls', 'No trusted connection to the provider could be made.', {
      cause,
    });
    return new AttemptFailure('not-sent', error, 'tls', { again: false });
  }
  const broke = 'The connection to the provider broke before it answered.';
  if (isNotHttp(code, cause)) {
    const message = 'The provider did not answer in HTTP.';
    const error = new GatewayError('upstream_invalid_response', message, { cause });
    return new AttemptFailure('invalid-reply', error, 'not http', { again: false });
  }
  // A connection closed as we wrote to it was idle too long: the request was not taken up. On a fresh one, or when it
  // had time to work, nobody can tell, and asking again could mean paying twice.
  return afterMs <= staleMs && isStaleConnection(cause)
    ? unreachable('not-sent', 'stale connection', broke, cause, false)
    : unreachable('uncertain', 'connection broke', broke, cause);
}

function unreachable(
  kind: FailureClass,
  reason: string,
  message: string,
  cause: unknown,
  unhealthy = true,
): AttemptFailure {
  return new AttemptFailure(kind, new GatewayError('upstream_unreachable', message, { cause }), reason, {
    unhealthy,
  });
}

const ownWord: Partial<Record<ProviderFailure['kind'], FailureClass>> = {
  bad_request: 'bad-request',
  context_too_long: 'context-too-long',
  content_refused: 'content-refused',
};

/** Classifies an error reply. `refusal` is what the caller sees of an error that is the caller's to fix. */
export function toReplyFailure(
  status: number,
  failure: ProviderFailure,
  retryAfterMs: number | undefined,
  refusal: AttemptReply | undefined,
): AttemptFailure {
  const reason = `status ${status}`;
  const retryAfterSeconds = Math.ceil((retryAfterMs ?? 1_000) / 1_000);
  const own = ownWord[failure.kind];
  if (own) {
    const error = new GatewayError('upstream_error', 'The provider refused the request.', {
      status,
      retryable: false,
    });
    return new AttemptFailure(own, error, reason, {
      unhealthy: false,
      again: false,
      refusal,
    });
  }
  switch (failure.kind) {
    case 'rate_limited': {
      const message = 'The provider is limiting the rate of requests for this model. Try again shortly.';
      const error = new GatewayError('rate_limited', message, { retryAfterSeconds });
      return new AttemptFailure('refused', error, reason, { unhealthy: false, retryAfterMs });
    }
    case 'overloaded': {
      const message = 'The provider is overloaded. Try again shortly.';
      const error = new GatewayError('upstream_overloaded', message, { retryAfterSeconds });
      return new AttemptFailure('overloaded', error, reason, { retryAfterMs });
    }
    case 'credential':
      return ofCredential(
        'credential',
        'upstream_rejected_credential',
        "The provider refused the gateway's credential. Tell the operator of this gateway.",
        reason,
      );
    case 'quota':
      return ofCredential(
        'quota',
        'upstream_error',
        "The gateway's account with the provider has no quota left. Tell the operator of this gateway.",
        `${reason} quota`,
      );
    default: {
      const message = `The provider failed (status ${status}).`;
      const error = new GatewayError('upstream_error', message, { status: status === 504 ? 504 : 502 });
      return new AttemptFailure('server-error', error, reason, {
        retryAfterMs,
        again: status >= 500 || status === 408 || status === 409,
      });
    }
  }
}

function ofCredential(
  kind: FailureClass,
  code: GatewayErrorCode,
  message: string,
  reason: string,
): AttemptFailure {
  const error = new GatewayError(code, message, { retryable: false });
  return new AttemptFailure(kind, error, reason, { unhealthy: false, again: false });
}

/**
 * A reply that a provider of this kind cannot have meant. `again: true` when the next one may be in order; `mayCost:
 * false` when it does not come from the provider.
 */
export function toInvalidReply(
  what: string,
  reason: string,
  options: {
    readonly code?: GatewayErrorCode;
    readonly again?: boolean;
    readonly mayCost?: boolean;
  } = {},
): AttemptFailure {
  const { code = 'upstream_invalid_response', again = false, mayCost = true } = options;
  return new AttemptFailure('invalid-reply', new GatewayError(code, what), reason, { again, mayCost });
}

/** The system or undici error in it, at most one `cause` deep; code '' when there is none. */
function systemErrorOf(error: unknown): { readonly code: string; readonly syscall?: unknown } {
  const { code, syscall, cause } = (error ?? {}) as { code?: unknown; syscall?: unknown; cause?: unknown };
  if (typeof code === 'string') return { code, syscall };
  const { code: inner, syscall: call } = (cause ?? {}) as NodeJS.ErrnoException;
  return { code: typeof inner === 'string' ? inner : '', syscall: call };
}

const notHttp = new Set([
  ...['UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'ERR_TOO_MANY_INFORMATIONAL'],
]);

/** A head that is no HTTP, contradicts itself, or has no end. */
function isNotHttp(code: string, error: unknown): boolean {
  if (code.startsWith('HPE_') || notHttp.has(code)) return true;
  // the parser's own errors need not have a code
  return error instanceof Error && (error.name === 'HTTPParserError' || error.message === 'bad upgrade');
}

/** A reply whose connection broke, or that stalled, before anything of it went out. */
export function toBrokenReply(error: unknown): AttemptFailure {
  const failure = toTransportFailure(error);
  if (failure.kind === 'timeout') return failure;
  const told = new GatewayError(
    'upstream_invalid_response',
    'The connection to the provider broke in the middle of its reply.',
    { cause: error },
  );
  return new AttemptFailure('broken-stream', told, 'connection broke');
}

/** What providers call the errors in their streams. */
const errorTypes: readonly (readonly [RegExp, ProviderFailure['kind']])[] = [
  [/overloaded|unavailable/i, 'overloaded'],
  [/insufficient_quota|billing|spend_limit/i, 'quota'],
  [/rate_?limit|resource_exhausted/i, 'rate_limited'],
  [/authentication|permission|api_key/i, 'credential'],
  [
    /invalid_(?:request|prompt|argument|image)|context_length|content_(?:filter|policy)|moderation/i,
    'bad_request',
  ],
];

/**
 * Classifies what a stream brought instead of content.
 *
 * @param type what the provider called the error, where it was one
 * @param body the error as a reply would have it, as far as it can be read
 * @param refusal what the caller sees of an error that is the caller's to fix
 */
export function toStreamFailure(
  error: unknown,
  type: string | undefined,
  body: unknown,
  refusal: AttemptReply,
): AttemptFailure {
  const said = memberOf(body, 'error');
  const codes = [type, memberOf(said, 'code'), memberOf(said, 'type')];
  const found = errorTypes.find(([form]) => form.test(codes.join(' ')))?.[1];
  // the caller's mistakes are classified like those with a status
  const kind =
    found === 'bad_request' ? classifyStatus(400, { codes, message: memberOf(said, 'message') }).kind : found;
  if (kind) {
    const failure = toReplyFailure(400, { kind }, undefined, refusal);
    return new AttemptFailure(failure.kind, failure.error, `stream ${kind}`, failure);
  }
  const told = isGatewayError(error)
    ? error
    : new GatewayError('upstream_error', 'The provider reported an error in the stream.', { cause: error });
  const reason = told.code === 'stream_incomplete' ? 'incomplete stream' : `stream ${told.code}`;
  return new AttemptFailure('broken-stream', told, reason);
}
