/**
 * Every refusal and outage the gateway can answer with: one table of code, status and meaning.
 * How an error looks on the wire is the business of the caller's dialect (`dialects/`).
 */
const table = {
  // what the caller can fix
  malformed_request: 400,
  duplicate_key: 400,
  ambiguous_credentials: 400,
  key_in_query: 400,
  unsupported_request: 400,
  request_too_costly: 400,
  metadata_required: 400,
  missing_key: 401,
  invalid_key: 401,
  expired_key: 401,
  revoked_key: 401,
  key_rotated: 401,
  invalid_token: 401,
  expired_token: 401,
  budget_exceeded: 402,
  not_permitted: 403,
  unknown_endpoint: 404,
  model_not_found: 404,
  stored_not_found: 404,
  method_not_allowed: 405,
  body_timeout: 408,
  idempotency_conflict: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  idempotency_mismatch: 422,
  rate_limited: 429,
  too_many_failed_keys: 429,
  caller_gone: 499,
  // what the operator or the provider must fix
  internal_error: 500,
  body_already_read: 500,
  upstream_unreachable: 502,
  upstream_tls: 502,
  upstream_redirect: 502,
  upstream_rejected_credential: 502,
  upstream_invalid_response: 502,
  upstream_error: 502,
  stream_incomplete: 502,
  store_unavailable: 503,
  identity_unavailable: 503,
  upstream_overloaded: 503,
  no_target_available: 503,
  overloaded: 503,
  shutting_down: 503,
  upstream_timeout: 504,
} satisfies Record<string, number>;

/** The stable union of error codes; new ones may be added, none changes its meaning. */
export type GatewayErrorCode = keyof typeof table;

/** What may be said about an error besides its code and message. */
export interface GatewayErrorOptions {
  /** What caused it; never shown to a caller. */
  readonly cause?: unknown;
  /** Status to answer with. @default the status of the code */
  readonly status?: number;
  /** Name of the request field at fault, for dialects that have a slot for it. */
  readonly param?: string;
  /** Seconds the caller should wait, sent as `retry-after` (clamped to 1–60). */
  readonly retryAfterSeconds?: number;
  /** Whether the same request may succeed when tried again. @default true for 408, 429 and 5xx */
  readonly retryable?: boolean;
  /** More header fields for the reply. */
  readonly headers?: Readonly<Record<string, string>>;
}

const mark = Symbol.for('headgate.GatewayError');

/**
 * A refusal (4xx) or an outage (5xx) that the gateway answers with, in the caller's dialect.
 * `message` is written for the caller: it says what to change, and holds no secret and no upstream text.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: GatewayErrorCode;
  readonly status: number;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly retryable: boolean;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly [mark] = true;

  constructor(code: GatewayErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? table[code];
    this.param = options.param;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.retryable = options.retryable ?? (this.status === 408 || this.status === 429 || this.status >= 500);
    this.headers = options.headers;
  }
}

/**
 * Recognises a `GatewayError`, even one made by another copy of this package
 * (the ESM and the CommonJS build in one process, or two versions).
 */
export function isGatewayError(value: unknown): value is GatewayError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[mark] === true;
}

/** Whatever was thrown, as a `GatewayError`; the unexpected becomes `internal_error` with its cause kept. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (isGatewayError(thrown)) return thrown;
  return new GatewayError('internal_error', 'The gateway failed while handling this request.', {
    cause: thrown,
  });
}
