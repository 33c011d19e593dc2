import type { GatewayError } from '../../errors.ts';
import type { RenderedError } from '../dialect.ts';
import { toErrorHeaders } from '../error-headers.ts';

/** Error types by status as the Anthropic API publishes them; other 4xx are invalid requests, other 5xx `api_error`. */
const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

function toStatus(error: GatewayError): number {
  return error.status === 503 ? 529 : error.status;
}

function toBody(error: GatewayError, requestId: string): string {
  const status = toStatus(error);
  return JSON.stringify({
    type: 'error',
    error: {
      type: types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'),
      message: error.message,
      // the code that clients already know for a spend limit set by an administrator
      ...(error.code === 'budget_exceeded' && { details: { error_code: 'enforced_spend_limit_reached' } }),
    },
    request_id: requestId,
  });
}

/** `{"type":"error","error":{type,message},"request_id"}`; 503 goes out as 529, Anthropic's status for overload. */
export function renderAnthropicError(error: GatewayError, requestId: string): RenderedError {
  return {
    status: toStatus(error),
    headers: { ...toErrorHeaders(error, requestId), 'request-id': requestId },
    body: toBody(error, requestId),
  };
}

/** The `error` event of a Messages stream. */
export function renderAnthropicStreamError(error: GatewayError, requestId: string): string {
  return `event: error\ndata: ${toBody(error, requestId)}\n\n`;
}
