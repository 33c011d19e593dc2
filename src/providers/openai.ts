import { classifyStatus, errorOf, memberOf } from './classify.ts';
import type { Provider } from './provider.ts';
import { stainlessTimeout } from './stainless-timeout.ts';

/** OpenAI, and every server that speaks its API. `baseUrl` includes the version: `https://api.openai.com/v1`. */
export const openai: Provider = {
  type: 'openai',
  family: 'openai',
  defaultBaseUrl: 'https://api.openai.com/v1',
  surplus: /\/(chat\/completions|completions|responses|embeddings)$/,
  authenticate: (apiKey) => ['authorization', `Bearer ${apiKey}`],
  deadline: stainlessTimeout,
  path: (call, model = '') =>
    call.endpoint.upstreamPath.replace('{model}', () => encodeURIComponent(model)) + call.query,
  requestHeaders: ['openai-beta'],
  replyHeaders: ['openai-processing-ms', 'openai-version'],
  classify(status, _headers, body) {
    const error = errorOf(body);
    return classifyStatus(status, {
      codes: [
        memberOf(error, 'code'),
        memberOf(error, 'type'),
        memberOf(memberOf(error, 'innererror'), 'code'),
      ],
      message: memberOf(error, 'message'),
    });
  },
};
