import type { GatewayError, GatewayErrorCode } from '../../errors.ts';
import type { RenderedError } from '../dialect.ts';
import { toErrorHeaders } from '../error-headers.ts';

/** Types by status, in the words of the OpenAI API; other 4xx are invalid requests, other 5xx server errors. */
const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'insufficient_quota',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** Where OpenAI has a published `code` for the same thing; elsewhere the code is ours. */
const codes: Partial<Record<GatewayErrorCode, string>> = {
  invalid_key: 'invalid_api_key',
  budget_exceeded: 'insufficient_quota',
  rate_limited: 'rate_limit_exceeded',
  unknown_endpoint: 'unknown_url',
};

interface ErrorMember {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

function toErrorMember(error: GatewayError): ErrorMember {
  return {
    message: error.message,
    type: types[error.status] ?? (error.status < 500 ? 'invalid_request_error' : 'server_error'),
    param: error.param ?? null,
    code: codes[error.code] ?? error.code,
  };
}

/** `{"error":{message,type,param,code}}`; 529 is not a status OpenAI clients know, so it becomes 503. */
export function renderOpenAiError(error: GatewayError, requestId: string): RenderedError {
  return {
    status: error.status === 529 ? 503 : error.status,
    headers: toErrorHeaders(error, requestId),
    body: JSON.stringify({ error: toErrorMember(error) }),
  };
}

/** The error in a stream of plain `data:` events (chat, completions, images, audio). */
export function renderChatStreamError(error: GatewayError): string {
  return `data: ${JSON.stringify({ error: toErrorMember(error) })}\n\n`;
}

/** The error event of the Responses API. Its sequence number is 0: clients order by arrival. */
export function renderResponsesStreamError(error: GatewayError): string {
  const { message, param, code } = toErrorMember(error);
  const data = { type: 'error', code, message, param, sequence_number: 0 };
  return `event: error\ndata: ${JSON.stringify(data)}\n\n`;
}
