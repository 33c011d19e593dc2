import type { DialectFamily, DialectName } from './dialect.ts';
import type { Endpoint, Operation } from './endpoint.ts';

/** What a path means for each method it knows. The endpoints carry no prefix yet. */
export type Route = readonly (readonly [method: string, endpoint: Endpoint])[];

/** An endpoint without mount prefix. */
export function toEndpoint(
  dialect: DialectName,
  operation: Operation,
  upstreamPath: string,
  body: Endpoint['body'] = 'json',
): Endpoint {
  return { operation, dialect, family: familyByDialect[dialect], body, upstreamPath, prefix: '' };
}

const familyByDialect: Readonly<Record<DialectName, DialectFamily>> = {
  'openai-chat': 'openai',
  'openai-completions': 'openai',
  'openai-responses': 'openai',
  openai: 'openai',
  'anthropic-messages': 'anthropic',
  gemini: 'gemini',
};

function post(
  dialect: DialectName,
  operation: Operation,
  tail: string,
  body?: Endpoint['body'],
): [string, Route] {
  return [tail, [['POST', toEndpoint(dialect, operation, `/${tail}`, body)]]];
}

/** OpenAI paths below the version, which may be left out. */
export const openAiRoutes: ReadonlyMap<string, Route> = new Map([
  post('openai-chat', 'chat', 'chat/completions'),
  post('openai-completions', 'completion', 'completions'),
  post('openai-responses', 'response', 'responses'),
  // answers like a response: a model in, output items and usage out
  post('openai-responses', 'response', 'responses/compact'),
  post('openai-responses', 'response-input-tokens', 'responses/input_tokens'),
  post('openai', 'embedding', 'embeddings'),
  post('openai', 'image', 'images/generations'),
  post('openai', 'image', 'images/edits', 'multipart'),
  post('openai', 'image', 'images/variations', 'multipart'),
  post('openai', 'speech', 'audio/speech'),
  post('openai', 'transcription', 'audio/transcriptions', 'multipart'),
  post('openai', 'transcription', 'audio/translations', 'multipart'),
  post('openai', 'moderation', 'moderations'),
  post('openai', 'rerank', 'rerank'),
]);

/** Anthropic paths below `v1`. */
export const anthropicRoutes: ReadonlyMap<string, Route> = new Map([
  ['messages', [['POST', toEndpoint('anthropic-messages', 'message', '/v1/messages')]]],
  [
    'messages/count_tokens',
    [['POST', toEndpoint('anthropic-messages', 'message-count-tokens', '/v1/messages/count_tokens')]],
  ],
  [
    'messages/batches',
    [
      ['POST', toEndpoint('anthropic-messages', 'message-batch-create', '/v1/messages/batches')],
      ['GET', toEndpoint('anthropic-messages', 'message-batch-resource', '/v1/messages/batches', 'none')],
    ],
  ],
]);

/** Routes by whole path for a gateway mounted at the root: one look-up for the paths that nearly every call takes. */
export const rootRoutes: ReadonlyMap<string, Route> = new Map(
  [...openAiRoutes, ...anthropicRoutes].map(([tail, route]) => [`/v1/${tail}`, route]),
);

/** Segments our paths are made of: a version-less path must not have one of them, however spelt, before its tail. */
export const ownSegments: ReadonlySet<string> = new Set([
  ...[...openAiRoutes.keys(), ...anthropicRoutes.keys()].flatMap((tail) => tail.split('/')),
  'models',
  'tunedmodels',
  'publishers',
]);
