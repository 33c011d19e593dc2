import type { StreamBody } from './frame.ts';
import type { Exchange, Reply, TokenUsage, UpstreamFamily } from './types.ts';

/** The request id header each provider sends; Gemini sends none. */
export function toIdHeaders(exchange: Exchange, family: UpstreamFamily): Record<string, string> {
  switch (family) {
    case 'anthropic':
      return { 'request-id': `req_011C${exchange.state.nextId(20)}` };
    case 'openai':
      return { 'x-request-id': `req_${exchange.state.nextHex(32)}` };
    case 'cohere':
      return { 'x-debug-trace-id': exchange.state.nextHex(32) };
    default:
      return {};
  }
}

/** The headers a provider puts on every successful model reply, rate limits included. */
export function toModelHeaders(exchange: Exchange, family: UpstreamFamily): Record<string, string> {
  const id = toIdHeaders(exchange, family);
  switch (family) {
    case 'openai':
      return {
        ...id,
        'openai-organization': 'org-fakeupstream',
        'openai-processing-ms': '12',
        'openai-project': 'proj_fakeupstream',
        'openai-version': '2020-10-01',
        'x-ratelimit-limit-requests': '10000',
        'x-ratelimit-limit-tokens': '2000000',
        'x-ratelimit-remaining-requests': '9999',
        'x-ratelimit-remaining-tokens': '1999000',
        'x-ratelimit-reset-requests': '6ms',
        'x-ratelimit-reset-tokens': '30ms',
      };
    case 'anthropic':
      return {
        ...id,
        'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
        ...anthropicLimits(),
      };
    case 'gemini':
      return { ...id, vary: 'Origin, X-Origin, Referer', 'server-timing': 'gfet4t7; dur=12' };
    default:
      return { ...id, 'x-trial-endpoint-call-limit': '10', 'x-trial-endpoint-call-remaining': '9' };
  }
}

/** A JSON reply. Gemini's is indented, as the real one. */
export function toJsonReply(
  value: unknown,
  headers: Readonly<Record<string, string>>,
  billed?: { readonly model: string; readonly usage: TokenUsage },
  family: UpstreamFamily = 'openai',
): Reply {
  const isGemini = family === 'gemini';
  return {
    status: 200,
    headers: {
      'content-type': isGemini ? 'application/json; charset=UTF-8' : 'application/json',
      ...headers,
    },
    body: Buffer.from(isGemini ? `${JSON.stringify(value, null, 2)}\n` : JSON.stringify(value)),
    ...(billed === undefined ? {} : { billed }),
  };
}

/** A streamed reply. */
export function toStreamReply(
  body: StreamBody,
  headers: Readonly<Record<string, string>>,
  billed?: { readonly model: string; readonly usage: TokenUsage },
): Reply {
  const contentType =
    body.format === 'sse' ? 'text/event-stream; charset=utf-8' : 'application/json; charset=UTF-8';
  return {
    status: 200,
    headers: { 'content-type': contentType, 'cache-control': 'no-cache', ...headers },
    body,
    ...(billed === undefined ? {} : { billed }),
  };
}

/** A usage with prompt tokens only, for embeddings and counts. */
export function toPromptUsage(inputTokens: number, outputTokens = 0): TokenUsage {
  return {
    inputTokens,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens,
    reasoningTokens: 0,
  };
}

/** The dated model name that a provider returns for an undated one. */
export function toUpstreamModel(model: string, family: 'openai' | 'anthropic'): string {
  if (/\d{4}-?\d{2}-?\d{2}$/.test(model)) {
    return model;
  }
  return family === 'openai' ? `${model}-2026-08-06` : `${model}-20260806`;
}

/** Seconds of the epoch, the unit of OpenAI's `created`. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function anthropicLimits(): Record<string, string> {
  const reset = new Date(Math.ceil(Date.now() / 1000) * 1000).toISOString().replace('.000', '');
  const limits: Record<string, string> = {};
  for (const [kind, limit] of Object.entries({
    requests: 4_000,
    tokens: 2_400_000,
    'input-tokens': 2_000_000,
    'output-tokens': 400_000,
  })) {
    limits[`anthropic-ratelimit-${kind}-limit`] = String(limit);
    limits[`anthropic-ratelimit-${kind}-remaining`] = String(limit - 1);
    limits[`anthropic-ratelimit-${kind}-reset`] = reset;
  }
  return limits;
}
