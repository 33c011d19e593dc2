import { classifyStatus, errorOf, memberOf } from './classify.ts';
import type { Provider } from './provider.ts';

/** The Gemini API. `baseUrl` is without version (`https://generativelanguage.googleapis.com`); the caller's is kept. */
export const gemini: Provider = {
  type: 'gemini',
  family: 'gemini',
  defaultBaseUrl: 'https://generativelanguage.googleapis.com',
  surplus: /\/v1(beta)?$/,
  authenticate: (apiKey) => ['x-goog-api-key', apiKey],
  // as Google's own libraries send it
  deadline: (leftMs) => ({ 'x-server-timeout': String(Math.max(1, Math.ceil(leftMs / 1_000))) }),
  path(call, model = '') {
    const name = model.split('/').map(encodeURIComponent).join('/');
    // a tuned model replaces `models/…`, it is not below it
    const place = model.startsWith('tunedModels/') ? 'models/{model}' : '{model}';
    return call.endpoint.upstreamPath.replace(place, () => name) + queryOf(call.query);
  },
  requestHeaders: ['x-goog-api-client'],
  replyHeaders: [],
  classify(status, _headers, body) {
    const error = errorOf(body);
    const found = memberOf(error, 'details');
    const details = Array.isArray(found) ? found : [];
    const hasReason = (reason: string) => details.some((detail) => memberOf(detail, 'reason') === reason);
    // Gemini answers a bad API key with 400 and says so only in the details
    if (hasReason('API_KEY_INVALID')) return { kind: 'credential' };
    if (hasReason('BILLING_DISABLED')) return { kind: 'quota' };
    // RESOURCE_EXHAUSTED is a busy minute, or a day's quota used up
    if (status === 429 && details.some(isSpentQuota)) return { kind: 'quota' };
    const failure = classifyStatus(status, { message: memberOf(error, 'message') });
    return { ...failure, retryAfterMs: retryDelayOf(details) };
  },
};

/** Keeps only the reply's format: `fields` could omit the usage, others say who pays or how to read the request. */
function queryOf(query: string): string {
  const kept = query
    .slice(1)
    .split('&')
    .filter((pair) => /^\$?alt=(?:sse|json)\b/.test(pair));
  return kept.length > 0 ? `?${kept.join('&')}` : '';
}

function isSpentQuota(detail: unknown): boolean {
  const violations = memberOf(detail, 'violations');
  return (
    Array.isArray(violations) &&
    violations.some((violation) => /PerDay|PerMonth/i.test(String(memberOf(violation, 'quotaId') ?? '')))
  );
}

/** `google.rpc.RetryInfo`: `"retryDelay": "37.5s"`. */
function retryDelayOf(details: readonly unknown[]): number | undefined {
  for (const detail of details) {
    const delay = memberOf(detail, 'retryDelay');
    const seconds = typeof delay === 'string' ? /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(delay)?.[1] : undefined;
    if (seconds !== undefined) return Math.ceil(Number(seconds) * 1_000);
  }
  return undefined;
}
