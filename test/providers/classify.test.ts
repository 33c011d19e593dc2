import { describe, expect, it } from 'vitest';
import { anthropic } from '../../src/providers/anthropic.ts';
import { gemini } from '../../src/providers/gemini.ts';
import { openai } from '../../src/providers/openai.ts';
import type { Provider, ProviderFailure } from '../../src/providers/provider.ts';

type Kind = ProviderFailure['kind'];
const own = (error: object) => ({ error });
const message = (text: string) => own({ message: text });

const cases: readonly [Provider, number, unknown, Kind][] = [
  [openai, 400, message('max_tokens is too large'), 'bad_request'],
  [openai, 400, own({ code: 'context_length_exceeded', message: 'x' }), 'context_too_long'],
  [openai, 400, message("This model's maximum context length is 8192 tokens."), 'context_too_long'],
  // Google's, by OpenAI's API
  [openai, 400, [message('The input token count (9) exceeds the maximum number (8).')], 'context_too_long'],
  [openai, 400, own({ code: 'content_filter' }), 'content_refused'],
  [openai, 400, own({ code: 'content_policy_violation' }), 'content_refused'],
  [openai, 401, undefined, 'credential'],
  [openai, 403, undefined, 'credential'],
  [openai, 402, undefined, 'quota'],
  [openai, 404, own({ code: 'model_not_found' }), 'bad_request'],
  [openai, 408, undefined, 'server_error'],
  [openai, 418, undefined, 'server_error'],
  [openai, 429, own({ code: 'rate_limit_exceeded' }), 'rate_limited'],
  [openai, 429, own({ code: 'insufficient_quota' }), 'quota'],
  [openai, 429, own({ type: 'insufficient_quota' }), 'quota'],
  [openai, 400, own({ code: 'billing_hard_limit_reached' }), 'quota'],
  [openai, 429, own({ code: 'billing_hard_limit' }), 'quota'],
  [openai, 500, undefined, 'server_error'],
  [openai, 503, undefined, 'overloaded'],
  [anthropic, 400, message('prompt is too long: 210000 tokens > 200000 maximum'), 'context_too_long'],
  [anthropic, 400, message('Output blocked by content filtering policy'), 'content_refused'],
  [anthropic, 400, message('Your credit balance is too low to access the Anthropic API.'), 'quota'],
  [anthropic, 400, message('messages: at least one message is required'), 'bad_request'],
  [anthropic, 402, own({ type: 'billing_error' }), 'quota'],
  [anthropic, 413, own({ type: 'request_too_large' }), 'bad_request'],
  [
    anthropic,
    429,
    own({ type: 'rate_limit_error', details: { error_code: 'enforced_spend_limit_reached' } }),
    'quota',
  ],
  [anthropic, 429, own({ type: 'rate_limit_error' }), 'rate_limited'],
  [anthropic, 529, own({ type: 'overloaded_error' }), 'overloaded'],
  [gemini, 400, own({ details: [{ reason: 'API_KEY_INVALID' }] }), 'credential'],
  [gemini, 400, [own({ details: [{ reason: 'API_KEY_INVALID' }] })], 'credential'],
  [gemini, 403, own({ details: [{ reason: 'BILLING_DISABLED' }] }), 'quota'],
  [
    gemini,
    400,
    message('The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).'),
    'context_too_long',
  ],
  [
    gemini,
    429,
    own({ details: [{ violations: [{ quotaId: 'GenerateRequestsPerMinutePerProjectPerModel' }] }] }),
    'rate_limited',
  ],
  [
    gemini,
    429,
    own({ details: [{ violations: [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier' }] }] }),
    'quota',
  ],
  [gemini, 503, own({ status: 'UNAVAILABLE' }), 'overloaded'],
];

describe("what a provider's error means", () => {
  it.each(cases)('$type: status %2$s with %3$j is %4$s', (provider, status, body, kind) => {
    expect(provider.classify(status, {}, body).kind).toBe(kind);
  });

  it('holds how long Gemini asks to wait, which it says in the body', () => {
    const body = own({ details: [{ retryDelay: '37.5s' }] });
    expect(gemini.classify(429, {}, body)).toEqual({ kind: 'rate_limited', retryAfterMs: 37_500 });
    expect(gemini.classify(429, {}, own({ details: [{ retryDelay: '-5s' }] })).retryAfterMs).toBeUndefined();
  });
});
