import type { GatewayError } from '../../errors.ts';
import type { RenderedError } from '../dialect.ts';
import { toErrorHeaders, toWaitSeconds } from '../error-headers.ts';

/** `google.rpc.Code` by HTTP status; other 4xx are invalid arguments, other 5xx unavailable. */
const words: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  402: 'RESOURCE_EXHAUSTED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  504: 'DEADLINE_EXCEEDED',
};

function toStatus(error: GatewayError): number {
  return error.status === 529 ? 503 : error.status;
}

function toDetails(error: GatewayError): object[] {
  const waitSeconds = toWaitSeconds(error);
  const details: object[] = [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: error.code.toUpperCase(),
      domain: 'headgate',
    },
  ];
  if (error.param !== undefined) {
    const violation = { field: error.param, description: error.message };
    details.push({ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [violation] });
  }
  if (waitSeconds !== undefined) {
    details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${waitSeconds}s` });
  }
  return details;
}

function toBody(error: GatewayError): string {
  const code = toStatus(error);
  const status = words[code] ?? (code < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE');
  return JSON.stringify({ error: { code, message: error.message, status, details: toDetails(error) } });
}

/** `{"error":{code,message,status,details}}` after google.rpc.Status; 529 becomes 503, which its clients know. */
export function renderGeminiError(error: GatewayError, requestId: string): RenderedError {
  return { status: toStatus(error), headers: toErrorHeaders(error, requestId), body: toBody(error) };
}

/** The error in a stream: bare `data:`, as an `event:` line makes Google's library drop the event. */
export function renderGeminiStreamError(error: GatewayError): string {
  return `data: ${toBody(error)}\n\n`;
}
