import type { GatewayError } from '../errors.ts';

/** Statuses that a client library may retry; every other refusal is final whatever was asked for. */
const transient = new Set([408, 409, 425, 429]);

/**
 * Header fields every rendered error has, whatever the dialect: `content-type`, `x-request-id`,
 * `x-should-retry` (obeyed by the OpenAI and Anthropic libraries and by Claude Code) and, where trying again makes
 * sense and a wait is known, `retry-after` in whole seconds from 1 to 60: longer waits are ignored by some clients
 * and sat out in full by others.
 */
export function toErrorHeaders(error: GatewayError, requestId: string): Record<string, string> {
  const retryable = isRetryable(error);
  const waitSeconds = retryable ? toWaitSeconds(error) : undefined;
  return {
    ...error.headers,
    'content-type': 'application/json',
    'x-request-id': requestId,
    'x-should-retry': retryable ? 'true' : 'false',
    ...(waitSeconds !== undefined && { 'retry-after': String(waitSeconds) }),
  };
}

/** Whether the same request may be retried: what the error says, and never for a final refusal. */
export function isRetryable(error: GatewayError): boolean {
  return error.retryable && (error.status >= 500 || transient.has(error.status));
}

/** The wait of a retryable error in whole seconds from 1 to 60; undefined when none is known. */
export function toWaitSeconds(error: GatewayError): number | undefined {
  const seconds = error.retryAfterSeconds;
  if (seconds === undefined || Number.isNaN(seconds) || !isRetryable(error)) return undefined;
  return Math.min(60, Math.max(1, Math.ceil(seconds)));
}
