import { toIdHeaders } from './reply.ts';
import type { Exchange, Reply, UpstreamFamily } from './types.ts';

/** What an error says beyond its status. */
export interface ErrorDetail {
  readonly message?: string;
  /** OpenAI's `error.type`, Anthropic's `error.type`, Gemini's `error.status`. */
  readonly type?: string;
  /** OpenAI's `error.code`, Anthropic's `error.details.error_code`, Gemini's `ErrorInfo.reason`. */
  readonly code?: string;
  readonly param?: string;
  /** The quota that is used up, in Gemini's `QuotaFailure`. */
  readonly quotaId?: string;
  /** Seconds until a retry, for the messages and details that name it. */
  readonly retryAfterSeconds?: number;
}

const openaiDefaults: Readonly<
  Record<number, readonly [type: string, code: string | null, message: string]>
> = {
  400: ['invalid_request_error', null, 'We could not parse the JSON body of your request.'],
  401: ['invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'],
  402: ['insufficient_quota', 'insufficient_quota', 'Payment required.'],
  403: [
    'request_forbidden',
    'unsupported_country_region_territory',
    'Country, region, or territory not supported',
  ],
  404: [
    'invalid_request_error',
    'model_not_found',
    'The model does not exist or you do not have access to it.',
  ],
  413: ['invalid_request_error', null, 'Request body too large.'],
  429: [
    'tokens',
    'rate_limit_exceeded',
    'Rate limit reached for requests on tokens per min (TPM). Please try again later. Visit https://platform.openai.com/account/rate-limits to learn more.',
  ],
  500: ['server_error', null, 'The server had an error while processing your request. Sorry about that!'],
  503: ['service_unavailable_error', null, 'The engine is currently overloaded, please try again later'],
};

const anthropicDefaults: Readonly<Record<number, readonly [type: string, message: string]>> = {
  400: ['invalid_request_error', 'The request body is not valid.'],
  401: ['authentication_error', 'invalid x-api-key'],
  402: ['billing_error', 'There is an issue with your billing or payment information.'],
  403: ['permission_error', 'Your API key does not have permission to use the specified resource.'],
  404: ['not_found_error', 'Not Found'],
  409: ['conflict_error', 'The request conflicts with another one.'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: ['rate_limit_error', 'This request would exceed the rate limit for your organization.'],
  500: ['api_error', 'Internal server error'],
  504: ['timeout_error', 'The request timed out.'],
  529: ['overloaded_error', 'Overloaded'],
};

const geminiDefaults: Readonly<Record<number, readonly [status: string, message: string]>> = {
  400: ['INVALID_ARGUMENT', 'Request contains an invalid argument.'],
  401: ['UNAUTHENTICATED', 'Request had invalid authentication credentials.'],
  403: ['PERMISSION_DENIED', 'The caller does not have permission'],
  404: ['NOT_FOUND', 'Requested entity was not found.'],
  413: ['INVALID_ARGUMENT', 'Request payload size exceeds the limit.'],
  429: ['RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).'],
  500: [
    'INTERNAL',
    'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
  ],
  503: ['UNAVAILABLE', 'The model is overloaded. Please try again later.'],
  504: ['DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.'],
};

/** The detail of an account out of credit, as each family words it on a 429. */
export const quotaDetails: Readonly<Record<UpstreamFamily, ErrorDetail>> = {
  openai: {
    type: 'insufficient_quota',
    code: 'insufficient_quota',
    message:
      'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
  },
  anthropic: {
    code: 'enforced_spend_limit_reached',
    message: 'You have reached your specified API usage limits.',
  },
  gemini: {
    message: 'You exceeded your current quota, please check your plan and billing details.',
    quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier',
  },
  cohere: { message: 'You have reached the billing limit of your plan.' },
};

/** An error's JSON value in the envelope of the family. */
export function toErrorBody(
  family: UpstreamFamily,
  status: number,
  detail: ErrorDetail,
  id?: string,
): unknown {
  const fallback = `Error ${status}`;
  if (family === 'anthropic') {
    const [type, message] = anthropicDefaults[status] ?? ['api_error', fallback];
    const details = detail.code === undefined ? {} : { details: { error_code: detail.code } };
    return {
      type: 'error',
      error: { type: detail.type ?? type, message: detail.message ?? message, ...details },
      request_id: id ?? null,
    };
  }
  if (family === 'gemini') {
    const [type, message] = geminiDefaults[status] ?? ['UNKNOWN', fallback];
    const details = geminiDetails(detail);
    return {
      error: {
        code: status,
        message: detail.message ?? message,
        status: detail.type ?? type,
        ...(details.length === 0 ? {} : { details }),
      },
    };
  }
  const [type, code, message] = openaiDefaults[status] ?? ['server_error', null, fallback];
  if (family === 'cohere') {
    return { message: detail.message ?? message };
  }
  return {
    error: {
      message: detail.message ?? message,
      type: detail.type ?? type,
      param: detail.param ?? null,
      code: detail.code ?? (detail.message === undefined ? code : null),
    },
  };
}

/** An error reply as the provider of this family sends it. */
export function toErrorReply(
  exchange: Exchange,
  family: UpstreamFamily,
  status: number,
  detail: ErrorDetail = {},
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const idHeaders = toIdHeaders(exchange, family);
  const body = JSON.stringify(
    toErrorBody(family, status, detail, idHeaders['request-id']),
    null,
    family === 'gemini' || family === 'openai' ? 2 : 0,
  );
  return {
    status,
    headers: {
      'content-type': family === 'gemini' ? 'application/json; charset=UTF-8' : 'application/json',
      ...idHeaders,
      ...headers,
    },
    body: Buffer.from(body),
  };
}

function geminiDetails(detail: ErrorDetail): unknown[] {
  const details: unknown[] = [];
  if (detail.code !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: detail.code,
      domain: 'googleapis.com',
      metadata: { service: 'generativelanguage.googleapis.com' },
    });
  }
  if (detail.quotaId !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
      violations: [
        {
          quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
          quotaId: detail.quotaId,
        },
      ],
    });
  }
  if (detail.retryAfterSeconds !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.RetryInfo',
      retryDelay: `${detail.retryAfterSeconds}s`,
    });
  }
  return details;
}
