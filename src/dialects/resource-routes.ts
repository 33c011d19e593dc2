import type { DialectFamily, DialectName } from './dialect.ts';
import type { Operation } from './endpoint.ts';
import { decodeModelId, isResourceId } from './path-syntax.ts';
import { type Route, toEndpoint } from './routes.ts';

/** Methods of a Gemini model, by the verb after the last colon. */
const verbs: ReadonlyMap<string, Operation> = new Map([
  ['generateContent', 'generate-content'],
  ['streamGenerateContent', 'generate-content'],
  ['countTokens', 'count-tokens'],
  ['embedContent', 'embed-content'],
  ['batchEmbedContents', 'embed-content'],
]);

const modelsDialect: Readonly<Record<DialectFamily, DialectName>> = {
  openai: 'openai',
  anthropic: 'anthropic-messages',
  gemini: 'gemini',
};

/** `models` and `models/{id}`, in the shape of whoever asks. `version` is the caller's, for Gemini. */
export function findModelsRoute(tail: string, family: DialectFamily, version: string): Route | undefined {
  const root = family === 'openai' ? '' : `/${family === 'gemini' ? toGeminiVersion(version) : 'v1'}`;
  const dialect = modelsDialect[family];
  if (tail === 'models') return [['GET', toEndpoint(dialect, 'list-models', `${root}/models`, 'none')]];
  if (!tail.startsWith('models/')) return undefined;
  const model = decodeModelId(tail.slice('models/'.length));
  if (model === undefined) return undefined;
  return [['GET', { ...toEndpoint(dialect, 'get-model', `${root}/models/{model}`, 'none'), model }]];
}

/** The ends of the paths of the gateway's own endpoints. */
export const ownTails = {
  '/headgate/limits': 'limits',
  '/headgate/health': 'health-report',
} as const satisfies Readonly<Record<string, Operation>>;

/** One of the gateway's own; errors are in the shape of whoever asks. */
export function findOwnRoute(tail: keyof typeof ownTails, family: DialectFamily): Route {
  return [['GET', toEndpoint(modelsDialect[family], ownTails[tail], tail, 'none')]];
}

/** `models/{model}:{verb}` and its longer spellings; undefined when the tail has no verb we know. */
export function findGeminiRoute(tail: string, version: string): Route | undefined {
  const colon = tail.lastIndexOf(':');
  if (colon === -1) return undefined;
  const verb = tail.slice(colon + 1);
  const operation = verbs.get(verb);
  const model = operation && toGeminiModel(tail.slice(0, colon));
  if (!operation || model === undefined) return undefined;
  const endpoint = {
    ...toEndpoint('gemini', operation, `/${toGeminiVersion(version)}/models/{model}:${verb}`),
    model,
    streams: verb === 'streamGenerateContent',
  };
  return [['POST', endpoint]];
}

/** Vertex says `v1beta1` for what the Gemini API calls `v1beta`. */
function toGeminiVersion(version: string): string {
  return version === 'v1' ? 'v1' : 'v1beta';
}

/**
 * The model of a Gemini resource name: `models/x`, `publishers/google/models/x` and the latter below
 * `projects/…/locations/…/` are `x`; of another publisher it is `publisher/x`; a tuned model keeps its
 * `tunedModels/`, as it is not the model of the same name.
 */
function toGeminiModel(name: string): string | undefined {
  if (name.startsWith('models/')) return decodeModelId(name.slice('models/'.length));
  if (name.startsWith('tunedModels/')) return decodeModelId(name);
  const parts = /^(?:projects\/[\w.:-]+\/locations\/[\w-]+\/)?publishers\/([a-z0-9-]+)\/models\/(.+)$/.exec(
    name,
  );
  if (!parts?.[1] || !parts[2]) return undefined;
  const model = decodeModelId(parts[2]);
  return model === undefined || parts[1] === 'google' ? model : `${parts[1]}/${model}`;
}

/** `responses/{id}` and what lies below it. */
export function findResponseRoute(tail: string): Route | undefined {
  const [, id, action, rest] = tail.split('/', 4);
  if (id === undefined || rest !== undefined || !isResourceId(id)) return undefined;
  const endpoint = toEndpoint('openai-responses', 'response-resource', `/${tail}`, 'none');
  if (action === undefined)
    return [
      ['GET', endpoint],
      ['DELETE', endpoint],
    ];
  if (action === 'cancel') return [['POST', endpoint]];
  return action === 'input_items' ? [['GET', endpoint]] : undefined;
}

/** `messages/batches/{id}` and what lies below it. */
export function findBatchRoute(tail: string): Route | undefined {
  const [, , id, action, rest] = tail.split('/', 5);
  if (id === undefined || rest !== undefined || !isResourceId(id)) return undefined;
  const endpoint = toEndpoint('anthropic-messages', 'message-batch-resource', `/v1/${tail}`, 'none');
  if (action === undefined)
    return [
      ['GET', endpoint],
      ['DELETE', endpoint],
    ];
  if (action === 'results') return [['GET', endpoint]];
  return action === 'cancel' ? [['POST', endpoint]] : undefined;
}
