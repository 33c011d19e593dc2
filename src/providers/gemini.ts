import { classifyStatus, memberOf } from './classify.ts';
import type { Provider } from './provider.ts';

/** The Gemini API. `baseUrl` is without version: `https://generativelanguage.googleapis.com`; the caller's version is kept. */
export const gemini: Provider = {
  type: 'gemini',
  family: 'gemini',
  defaultBaseUrl: 'https://generativelanguage.googleapis.com',
  authenticate: (apiKey) => ['x-goog-api-key', apiKey],
  path(call, model = '') {
    const name = model.split('/').map(encodeURIComponent).join('/');
    // a tuned model stands in the place of `models/…`, not below it
    const place = model.startsWith('tunedModels/') ? 'models/{model}' : '{model}';
    return call.endpoint.upstreamPath.replace(place, () => name) + call.query;
  },
  requestHeaders: ['x-goog-api-client'],
  replyHeaders: [],
  classify(status, _headers, body) {
    // Gemini answers a bad API key with 400 and says so only in the details
    const details = memberOf(memberOf(body, 'error'), 'details');
    const badKey =
      Array.isArray(details) && details.some((detail) => memberOf(detail, 'reason') === 'API_KEY_INVALID');
    return badKey ? { kind: 'credential' } : classifyStatus(status);
  },
};
