import { classifyStatus, memberOf } from './classify.ts';
import type { Provider } from './provider.ts';
import { stainlessTimeout } from './stainless-timeout.ts';

/** Anthropic's API. `baseUrl` is without version: `https://api.anthropic.com`. */
export const anthropic: Provider = {
  type: 'anthropic',
  family: 'anthropic',
  defaultBaseUrl: 'https://api.anthropic.com',
  surplus: /\/v1(\/messages)?$/,
  authenticate: (apiKey) => ['x-api-key', apiKey],
  deadline: stainlessTimeout,
  path: (call, model = '') =>
    call.endpoint.upstreamPath.replace('{model}', () => encodeURIComponent(model)) + call.query,
  requestHeaders: ['anthropic-version', 'anthropic-beta'],
  replyHeaders: [],
  classify(status, _headers, body) {
    const error = memberOf(body, 'error');
    return classifyStatus(status, {
      codes: [memberOf(error, 'type'), memberOf(memberOf(error, 'details'), 'error_code')],
      message: memberOf(error, 'message'),
    });
  },
};
