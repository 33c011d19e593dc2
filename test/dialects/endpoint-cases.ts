import type { Endpoint } from '../../src/dialects/endpoint.ts';
import { matchEndpoint } from '../../src/dialects/endpoints.ts';
import type { HeaderMap } from '../../src/message.ts';

export const none: HeaderMap = {};
export const anthropic: HeaderMap = { 'anthropic-version': '2023-06-01' };
export const google: HeaderMap = { 'x-goog-api-key': 'k' };

/** What a refusal says; `accepted` holds what was matched when there is none. */
export function refusalOf(method: string, path: string, headers = none) {
  const match = matchEndpoint(method, path, headers);
  if (match === 'health' || !('refused' in match)) return { accepted: match };
  const { code, status, message } = match.refused;
  return { code, status, message, family: match.family, allow: match.refused.headers?.allow };
}

/** A request and what it must be recognised as. */
export type Row = [method: string, path: string, expected: Partial<Endpoint>, headers?: HeaderMap];

/** Every endpoint, mounted at the root. */
export const endpoints: readonly Row[] = [
  [
    'POST',
    '/v1/chat/completions',
    { operation: 'chat', dialect: 'openai-chat', upstreamPath: '/chat/completions' },
  ],
  [
    'POST',
    '/v1/completions',
    { operation: 'completion', dialect: 'openai-completions', upstreamPath: '/completions' },
  ],
  [
    'POST',
    '/v1/responses',
    { operation: 'response', dialect: 'openai-responses', upstreamPath: '/responses' },
  ],
  ['POST', '/v1/responses/compact', { operation: 'response', upstreamPath: '/responses/compact' }],
  [
    'POST',
    '/v1/responses/input_tokens',
    { operation: 'response-input-tokens', upstreamPath: '/responses/input_tokens' },
  ],
  [
    'GET',
    '/v1/responses/resp_1',
    { operation: 'response-resource', body: 'none', upstreamPath: '/responses/resp_1' },
  ],
  ['DELETE', '/v1/responses/resp_1', { operation: 'response-resource', upstreamPath: '/responses/resp_1' }],
  [
    'POST',
    '/v1/responses/resp_1/cancel',
    { operation: 'response-resource', upstreamPath: '/responses/resp_1/cancel' },
  ],
  ['GET', '/v1/responses/resp_1/input_items', { upstreamPath: '/responses/resp_1/input_items' }],
  ['POST', '/v1/embeddings', { operation: 'embedding', dialect: 'openai', upstreamPath: '/embeddings' }],
  [
    'POST',
    '/v1/images/generations',
    { operation: 'image', body: 'json', upstreamPath: '/images/generations' },
  ],
  ['POST', '/v1/images/edits', { operation: 'image', body: 'multipart' }],
  ['POST', '/v1/images/variations', { operation: 'image', body: 'multipart' }],
  ['POST', '/v1/audio/speech', { operation: 'speech', body: 'json' }],
  ['POST', '/v1/audio/transcriptions', { operation: 'transcription', body: 'multipart' }],
  ['POST', '/v1/audio/translations', { operation: 'transcription', body: 'multipart' }],
  ['POST', '/v1/moderations', { operation: 'moderation', dialect: 'openai' }],
  ['POST', '/v1/rerank', { operation: 'rerank', upstreamPath: '/rerank' }],
  ['POST', '/v2/rerank', { operation: 'rerank', prefix: '/v2' }],
  [
    'POST',
    '/v1/messages',
    { operation: 'message', dialect: 'anthropic-messages', upstreamPath: '/v1/messages' },
  ],
  ['POST', '/v1/messages/count_tokens', { operation: 'message-count-tokens', family: 'anthropic' }],
  ['POST', '/v1/messages/batches', { operation: 'message-batch-create', body: 'json' }],
  ['GET', '/v1/messages/batches', { operation: 'message-batch-resource', body: 'none' }],
  ['GET', '/v1/messages/batches/b_1', { upstreamPath: '/v1/messages/batches/b_1' }],
  ['DELETE', '/v1/messages/batches/b_1', { operation: 'message-batch-resource' }],
  ['GET', '/v1/messages/batches/b_1/results', { upstreamPath: '/v1/messages/batches/b_1/results' }],
  ['POST', '/v1/messages/batches/b_1/cancel', { operation: 'message-batch-resource', body: 'none' }],
  [
    'GET',
    '/v1/models',
    { operation: 'list-models', family: 'openai', dialect: 'openai', upstreamPath: '/models' },
  ],
  [
    'GET',
    '/v1/models',
    { family: 'anthropic', dialect: 'anthropic-messages', upstreamPath: '/v1/models' },
    anthropic,
  ],
  ['GET', '/v1/models', { family: 'gemini', dialect: 'gemini', upstreamPath: '/v1/models' }, google],
  ['GET', '/v1/models', { family: 'gemini' }, { 'x-goog-api-client': 'google-genai-sdk/3.1.0' }],
  ['GET', '/v1beta/models', { family: 'gemini', upstreamPath: '/v1beta/models' }],
  [
    'GET',
    '/v1/models/gpt-4.1',
    { operation: 'get-model', model: 'gpt-4.1', upstreamPath: '/models/{model}' },
  ],
  ['GET', '/v1/models/openai/gpt-4.1', { model: 'openai/gpt-4.1' }],
  ['GET', '/v1/models/openai%2Fgpt-4.1', { model: 'openai/gpt-4.1' }],
  ['GET', '/v1/models/llama3:8b', { operation: 'get-model', model: 'llama3:8b' }],
  ['GET', '/v1/models/accounts%2Ffw%2Fmodels%2Fx', { model: 'accounts/fw/models/x' }],
  ['GET', '/v1/models/mod%C3%A8le', { model: 'modèle' }],
  ['GET', '/v1/models/claude-x', { model: 'claude-x', upstreamPath: '/v1/models/{model}' }, anthropic],
  [
    'GET',
    '/v1beta/models/gemini-2.5-pro',
    { operation: 'get-model', family: 'gemini', model: 'gemini-2.5-pro' },
  ],
  [
    'POST',
    '/v1beta/models/gemini-2.5-pro:generateContent',
    {
      operation: 'generate-content',
      dialect: 'gemini',
      model: 'gemini-2.5-pro',
      streams: false,
      upstreamPath: '/v1beta/models/{model}:generateContent',
    },
  ],
  [
    'POST',
    '/v1/models/g:streamGenerateContent',
    { streams: true, upstreamPath: '/v1/models/{model}:streamGenerateContent' },
  ],
  ['POST', '/v1/models/g:countTokens', { operation: 'count-tokens', model: 'g' }],
  ['POST', '/v1/models/g:embedContent', { operation: 'embed-content', body: 'json' }],
  ['POST', '/v1/models/g:batchEmbedContents', { operation: 'embed-content' }],
  ['POST', '/v1/models/google/gemini%2Fx:generateContent', { model: 'google/gemini/x' }],
  ['POST', '/v1/models/llama3:8b:generateContent', { model: 'llama3:8b' }],
  ['POST', '/v1beta/tunedModels/mine:generateContent', { model: 'tunedModels/mine' }],
  [
    'POST',
    '/v1beta1/publishers/google/models/gemini-2.5-pro:generateContent',
    { model: 'gemini-2.5-pro', upstreamPath: '/v1beta/models/{model}:generateContent' },
  ],
  ['POST', '/v1/projects/p/locations/l/publishers/google/models/g:countTokens', { model: 'g', prefix: '' }],
  ['POST', '/v1/publishers/meta/models/llama:generateContent', { model: 'meta/llama' }],
  ['GET', '/v1beta1/publishers/google/models/g', { operation: 'get-model', model: 'g', family: 'gemini' }],
];
