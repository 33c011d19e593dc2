import { GatewayError } from '../errors.ts';
import type { ProviderFailure } from '../providers/provider.ts';

/** Why an attempt failed, and what may be tried after it. */
export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure';
  /** What the caller is told if nothing else serves. */
  readonly error: GatewayError;
  /** `anywhere`: the same target too; `elsewhere`: another target or credential only; `nowhere`: it would be a mistake. */
  readonly retry: 'anywhere' | 'elsewhere' | 'nowhere';
  /** Whether it speaks against the target's health. A busy or wrongly paid target is not ill. */
  readonly unhealthy: boolean;
  /** How long the provider asked to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** Short name for the record: `connect`, `timeout`, `status 503`, … */
  readonly reason: string;

  constructor(
    error: GatewayError,
    reason: string,
    options: { retry: AttemptFailure['retry']; unhealthy?: boolean; retryAfterMs?: number | undefined },
  ) {
    super(reason, { cause: error });
    this.error = error;
    this.reason = reason;
    this.retry = options.retry;
    this.unhealthy = options.unhealthy ?? true;
    this.retryAfterMs = options.retryAfterMs;
  }
}

const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Names what the transport threw. The text of the error is for the operator only. */
export function toTransportFailure(error: unknown): AttemptFailure {
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new AttemptFailure(
      new GatewayError('upstream_timeout', 'The provider did not answer in time.', { cause: error }),
      'timeout',
      { retry: 'nowhere' },
    );
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    return new AttemptFailure(
      new GatewayError('malformed_request', 'The path or a header of this request cannot be sent on.', {
        cause: error,
      }),
      'not sendable',
      { retry: 'nowhere', unhealthy: false },
    );
  }
  if (neverSent.has(code)) {
    return new AttemptFailure(
      new GatewayError('upstream_unreachable', 'The provider could not be reached.', { cause: error }),
      'connect',
      { retry: 'anywhere' },
    );
  }
  if (/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO)/.test(code)) {
    return new AttemptFailure(
      new GatewayError('upstream_tls', 'No trusted connection to the provider could be made.', {
        cause: error,
      }),
      'tls',
      { retry: 'elsewhere' },
    );
  }
  // A socket that had served before and closed as we wrote was idle too long: the request was not taken up.
  // On a fresh one nobody can tell, and asking again could be paying twice.
  const stale = isReusedSocket(error);
  return new AttemptFailure(
    new GatewayError('upstream_unreachable', 'The connection to the provider broke before it answered.', {
      cause: error,
    }),
    stale ? 'stale connection' : 'connection broke',
    { retry: stale ? 'anywhere' : 'nowhere' },
  );
}

/** Names an error reply that is not the caller's fault. */
export function toReplyFailure(
  status: number,
  failure: ProviderFailure,
  retryAfterMs: number | undefined,
): AttemptFailure {
  const reason = `status ${status}`;
  switch (failure.kind) {
    case 'rate_limited':
      return new AttemptFailure(
        new GatewayError(
          'rate_limited',
          'The provider is limiting the rate of requests for this model. Try again shortly.',
          {
            retryAfterSeconds: Math.ceil((retryAfterMs ?? 1_000) / 1_000),
          },
        ),
        reason,
        { retry: 'anywhere', unhealthy: false, retryAfterMs },
      );
    case 'overloaded':
      return new AttemptFailure(
        new GatewayError('upstream_overloaded', 'The provider is overloaded. Try again shortly.', {
          retryAfterSeconds: Math.ceil((retryAfterMs ?? 1_000) / 1_000),
        }),
        reason,
        { retry: 'anywhere', retryAfterMs },
      );
    case 'credential':
      return new AttemptFailure(
        new GatewayError(
          'upstream_rejected_credential',
          "The provider refused the gateway's credential. Tell the operator of this gateway.",
          {
            retryable: false,
          },
        ),
        reason,
        { retry: 'elsewhere', unhealthy: false },
      );
    case 'quota':
      return new AttemptFailure(
        new GatewayError(
          'upstream_error',
          "The gateway's account with the provider has no quota left. Tell the operator of this gateway.",
          {
            retryable: false,
          },
        ),
        `${reason} quota`,
        { retry: 'elsewhere', unhealthy: false },
      );
    default:
      return new AttemptFailure(
        new GatewayError('upstream_error', `The provider failed (status ${status}).`, {
          status: status === 504 ? 504 : 502,
        }),
        reason,
        { retry: 'anywhere' },
      );
  }
}

/** A reply that a provider of this kind cannot have meant. */
export function toInvalidReply(
  what: string,
  reason: string,
  code: 'upstream_invalid_response' | 'upstream_redirect' = 'upstream_invalid_response',
): AttemptFailure {
  return new AttemptFailure(new GatewayError(code, what), reason, { retry: 'elsewhere' });
}

/** The `code` of a system or undici error, '' when it has none; one `cause` deep. */
function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  if (typeof code === 'string') return code;
  return typeof cause?.code === 'string' ? cause.code : '';
}

function isReusedSocket(error: unknown): boolean {
  const { socket } = (error ?? {}) as { socket?: { bytesRead?: unknown } };
  return typeof socket?.bytesRead === 'number' && socket.bytesRead > 0;
}
