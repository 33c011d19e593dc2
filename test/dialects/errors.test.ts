import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { DialectName } from '../../src/dialects/dialect.ts';
import { dialectByName } from '../../src/dialects/index.ts';
import { GatewayError, type GatewayErrorCode, type GatewayErrorOptions } from '../../src/errors.ts';

const names = Object.keys(dialectByName) as DialectName[];

function render(name: DialectName, code: GatewayErrorCode, options?: GatewayErrorOptions) {
  const rendered = dialectByName[name].renderError(
    new GatewayError(code, `About ${code}.`, options),
    'req_1',
  );
  return { ...rendered, json: JSON.parse(rendered.body) };
}

/** Answers like the gateway would, and counts how often it was asked. */
function createFetch(name: DialectName, error: GatewayError) {
  const calls: unknown[] = [];
  const { status, headers, body } = dialectByName[name].renderError(error, 'req_1');
  const fetch = async (input: unknown) => {
    calls.push(input);
    return new Response(body, { status, headers });
  };
  return { fetch, calls };
}

describe('errors in the OpenAI dialects', () => {
  it.each([
    ['malformed_request', 400, 'invalid_request_error', 'malformed_request'],
    ['invalid_key', 401, 'authentication_error', 'invalid_api_key'],
    ['budget_exceeded', 402, 'insufficient_quota', 'insufficient_quota'],
    ['not_permitted', 403, 'permission_error', 'not_permitted'],
    ['model_not_found', 404, 'not_found_error', 'model_not_found'],
    ['body_too_large', 413, 'invalid_request_error', 'body_too_large'],
    ['rate_limited', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['caller_gone', 499, 'invalid_request_error', 'caller_gone'],
    ['upstream_error', 502, 'server_error', 'upstream_error'],
    ['upstream_overloaded', 503, 'server_error', 'upstream_overloaded'],
  ] as const)('renders %s as %i %s', (code, status, type, wireCode) => {
    const { json, ...rendered } = render('openai-chat', code, { param: 'model' });
    expect(rendered.status).toBe(status);
    expect(json).toEqual({ error: { message: `About ${code}.`, type, param: 'model', code: wireCode } });
  });

  it('says null where no field is at fault', () => {
    expect(render('openai', 'malformed_request').json.error.param).toBeNull();
  });

  it('turns 529 into 503', () => {
    expect(render('openai-responses', 'upstream_overloaded', { status: 529 }).status).toBe(503);
  });

  it('is understood by the openai library, which obeys x-should-retry', async () => {
    const final = createFetch('openai-chat', new GatewayError('upstream_error', 'No.', { retryable: false }));
    const client = new OpenAI({
      apiKey: 'k',
      baseURL: 'http://gateway.test/v1',
      fetch: final.fetch,
      maxRetries: 3,
    });
    const thrown = await client.models.list().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(OpenAI.InternalServerError);
    expect(thrown).toMatchObject({
      status: 502,
      requestID: 'req_1',
      type: 'server_error',
      code: 'upstream_error',
    });
    expect(final.calls).toHaveLength(1);

    const denied = createFetch('openai-chat', new GatewayError('model_not_found', 'No.', { param: 'model' }));
    const other = new OpenAI({
      apiKey: 'k',
      baseURL: 'http://gateway.test/v1',
      fetch: denied.fetch,
      maxRetries: 3,
    });
    const missing = await other.models.list().catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(OpenAI.NotFoundError);
    expect(missing).toMatchObject({ code: 'model_not_found', param: 'model' });
  });
});

describe('errors in the Anthropic dialect', () => {
  it.each([
    ['malformed_request', 400, 'invalid_request_error', Anthropic.BadRequestError],
    ['missing_key', 401, 'authentication_error', Anthropic.AuthenticationError],
    ['budget_exceeded', 402, 'billing_error', Anthropic.APIError],
    ['not_permitted', 403, 'permission_error', Anthropic.PermissionDeniedError],
    ['model_not_found', 404, 'not_found_error', Anthropic.NotFoundError],
    ['method_not_allowed', 405, 'invalid_request_error', Anthropic.APIError],
    ['body_timeout', 408, 'timeout_error', Anthropic.APIError],
    ['idempotency_conflict', 409, 'conflict_error', Anthropic.ConflictError],
    ['body_too_large', 413, 'request_too_large', Anthropic.APIError],
    ['idempotency_mismatch', 422, 'invalid_request_error', Anthropic.UnprocessableEntityError],
    ['rate_limited', 429, 'rate_limit_error', Anthropic.RateLimitError],
    ['caller_gone', 499, 'invalid_request_error', Anthropic.APIError],
    ['internal_error', 500, 'api_error', Anthropic.InternalServerError],
    ['upstream_error', 502, 'api_error', Anthropic.InternalServerError],
    ['upstream_overloaded', 529, 'overloaded_error', Anthropic.APIError],
    ['no_target_available', 529, 'overloaded_error', Anthropic.APIError],
    ['upstream_timeout', 504, 'timeout_error', Anthropic.APIError],
  ] as const)('renders %s as %i %s, which its library knows', async (code, status, type, expected) => {
    const { json, ...rendered } = render('anthropic-messages', code);
    expect(rendered.status).toBe(status);
    expect(json).toMatchObject({
      type: 'error',
      error: { type, message: `About ${code}.` },
      request_id: 'req_1',
    });
    expect(rendered.headers).toMatchObject({ 'request-id': 'req_1', 'x-request-id': 'req_1' });

    const served = createFetch('anthropic-messages', new GatewayError(code, 'No.', { retryable: false }));
    const client = new Anthropic({
      apiKey: 'k',
      baseURL: 'http://gateway.test',
      fetch: served.fetch,
      maxRetries: 3,
    });
    const thrown = await client.models.list().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(expected);
    expect(thrown).toMatchObject({ status, requestID: 'req_1', type });
    expect(served.calls).toHaveLength(1);
  });

  it('gives a spent budget the code that clients know', () => {
    expect(render('anthropic-messages', 'budget_exceeded').json.error.details).toEqual({
      error_code: 'enforced_spend_limit_reached',
    });
    expect(render('anthropic-messages', 'rate_limited').json.error).not.toHaveProperty('details');
  });
});

describe('errors in the Gemini dialect', () => {
  it.each([
    ['malformed_request', 400, 'INVALID_ARGUMENT'],
    ['invalid_key', 401, 'UNAUTHENTICATED'],
    ['budget_exceeded', 402, 'RESOURCE_EXHAUSTED'],
    ['not_permitted', 403, 'PERMISSION_DENIED'],
    ['model_not_found', 404, 'NOT_FOUND'],
    ['rate_limited', 429, 'RESOURCE_EXHAUSTED'],
    ['caller_gone', 499, 'CANCELLED'],
    ['internal_error', 500, 'INTERNAL'],
    ['upstream_overloaded', 503, 'UNAVAILABLE'],
    ['upstream_timeout', 504, 'DEADLINE_EXCEEDED'],
  ] as const)('renders %s as %i %s', (code, status, word) => {
    const { json, ...rendered } = render('gemini', code);
    expect(rendered.status).toBe(status);
    expect(json.error).toMatchObject({ code: status, message: `About ${code}.`, status: word });
    expect(json.error.details[0]).toEqual({
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: code.toUpperCase(),
      domain: 'headgate',
    });
  });

  it('names the field at fault and the wait, where there are any', () => {
    const { json } = render('gemini', 'rate_limited', { param: 'contents', retryAfterSeconds: 7 });
    expect(json.error.details.slice(1)).toEqual([
      {
        '@type': 'type.googleapis.com/google.rpc.BadRequest',
        fieldViolations: [{ field: 'contents', description: 'About rate_limited.' }],
      },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' },
    ]);
    expect(render('gemini', 'not_permitted', { retryAfterSeconds: 7 }).json.error.details).toHaveLength(1);
  });
});

describe.each(names)('headers of errors in %s', (name) => {
  it('name the request and the type of the body', () => {
    const { headers } = render(name, 'internal_error');
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-request-id': 'req_1' });
  });

  it.each([
    'missing_key',
    'budget_exceeded',
    'not_permitted',
    'model_not_found',
    'malformed_request',
    'body_too_large',
    'unsupported_media_type',
    'idempotency_mismatch',
    'caller_gone',
  ] as const)('forbid another try of %s, even where the error claims otherwise', (code) => {
    const { headers } = render(name, code, { retryable: true, retryAfterSeconds: 5 });
    expect(headers['x-should-retry']).toBe('false');
    expect(headers).not.toHaveProperty('retry-after');
  });

  it.each(['rate_limited', 'body_timeout', 'upstream_overloaded', 'upstream_timeout'] as const)(
    'allow another try of %s unless the error says no',
    (code) => {
      expect(render(name, code).headers['x-should-retry']).toBe('true');
      expect(render(name, code, { retryable: false, retryAfterSeconds: 5 }).headers).toMatchObject({
        'x-should-retry': 'false',
      });
      expect(render(name, code, { retryable: false, retryAfterSeconds: 5 }).headers).not.toHaveProperty(
        'retry-after',
      );
    },
  );

  it.each([
    [0, '1'],
    [-5, '1'],
    [0.2, '1'],
    [1.2, '2'],
    [60, '60'],
    [3_600, '60'],
    [Number.POSITIVE_INFINITY, '60'],
  ])('clamp a wait of %d seconds to %s', (retryAfterSeconds, expected) => {
    expect(render(name, 'rate_limited', { retryAfterSeconds }).headers['retry-after']).toBe(expected);
  });

  it('have no wait where none is known', () => {
    expect(render(name, 'rate_limited').headers).not.toHaveProperty('retry-after');
    expect(render(name, 'rate_limited', { retryAfterSeconds: Number.NaN }).headers).not.toHaveProperty(
      'retry-after',
    );
  });

  it("add the error's own fields, and keep theirs", () => {
    const headers = { allow: 'POST', 'x-request-id': 'forged' };
    expect(render(name, 'method_not_allowed', { headers }).headers).toMatchObject({
      allow: 'POST',
      'x-request-id': 'req_1',
    });
  });
});
