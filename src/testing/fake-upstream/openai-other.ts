import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { toErrorReply } from './provider-error.ts';
import { toJsonReply, toModelHeaders, toPromptUsage } from './reply.ts';
import { countPromptTokens, countTokens } from './tokens.ts';
import type { Exchange, Reply } from './types.ts';
import { toBase64Vector, toVector } from './vectors.ts';

const defaultModels = [
  'gpt-5.5',
  'gpt-4o',
  'gpt-4o-mini',
  'text-embedding-3-small',
  'gpt-image-2',
  'whisper-1',
];
const maxDimensions = 3_072;

/** `POST /v1/embeddings`: numbers, or base64 when asked for. */
export function createEmbeddings(exchange: Exchange, body: JsonObject): Reply {
  const model = toText(body.model);
  const input = body.input;
  if (model === undefined || input === undefined) {
    const param = model === undefined ? 'model' : 'input';
    return toErrorReply(exchange, 'openai', 400, {
      message: `Missing required parameter: '${param}'.`,
      param,
    });
  }
  const isTokens = Array.isArray(input) && input.every((item) => typeof item === 'number');
  const inputs = Array.isArray(input) && !isTokens ? input : [input];
  const width = toNumber(body.dimensions) ?? (/large/.test(model) ? maxDimensions : 1_536);
  if (!Number.isInteger(width) || width < 1 || width > maxDimensions) {
    return toErrorReply(exchange, 'openai', 400, {
      message: `Invalid value for 'dimensions' = ${width}. Must be between 1 and ${maxDimensions}.`,
      param: 'dimensions',
    });
  }
  const tokens = inputs.reduce<number>((sum, item) => sum + countInput(item), 0);
  const data = inputs.map((item, index) => {
    const vector = toVector(typeof item === 'string' ? item : JSON.stringify(item), width);
    const embedding = body.encoding_format === 'base64' ? toBase64Vector(vector) : [...vector];
    return { object: 'embedding', index, embedding };
  });
  return toJsonReply(
    { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    toModelHeaders(exchange, 'openai'),
    { model, usage: toPromptUsage(tokens) },
  );
}

const categories = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/instructions',
  'self-harm/intent',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
];

/** `POST /v1/moderations`: a text with the word "kill" is flagged as violence. */
export function createModeration(exchange: Exchange, body: JsonObject): Reply {
  const input = body.input;
  if (input === undefined) {
    return toErrorReply(exchange, 'openai', 400, {
      message: "Missing required parameter: 'input'.",
      param: 'input',
    });
  }
  const isParts = Array.isArray(input) && input.some((item) => typeof item === 'object');
  const inputs = Array.isArray(input) && !isParts ? input : [input];
  const results = inputs.map((item) => {
    const isViolent = /\bkill\b/i.test(JSON.stringify(item));
    const flagged = (name: string) => isViolent && name === 'violence';
    return {
      flagged: isViolent,
      categories: Object.fromEntries(categories.map((name) => [name, flagged(name)])),
      category_scores: Object.fromEntries(categories.map((name) => [name, flagged(name) ? 0.97 : 0.0001])),
      category_applied_input_types: Object.fromEntries(categories.map((name) => [name, ['text']])),
    };
  });
  const requested = toText(body.model) ?? 'omni-moderation-latest';
  return toJsonReply(
    {
      id: `modr-${exchange.state.nextHex(32)}`,
      model: requested === 'omni-moderation-latest' ? 'omni-moderation-2024-09-26' : requested,
      results,
    },
    toModelHeaders(exchange, 'openai'),
  );
}

/** `GET /v1/models`. */
export function listModels(exchange: Exchange): Reply {
  const data = toModelIds(exchange).map(toModel);
  return toJsonReply({ object: 'list', data }, toModelHeaders(exchange, 'openai'));
}

/** `GET /v1/models/{id}`. */
export function getModel(exchange: Exchange, id: string): Reply {
  if (!toModelIds(exchange).includes(id)) {
    return toErrorReply(exchange, 'openai', 404, {
      message: `The model '${id}' does not exist`,
      param: 'model',
      code: 'model_not_found',
    });
  }
  return toJsonReply(toModel(id), toModelHeaders(exchange, 'openai'));
}

/** `POST /v1/rerank` and `POST /v2/rerank` in Cohere's form: documents ranked by the words they share with the query. */
export function createRerank(exchange: Exchange, body: JsonObject): Reply {
  const query = toText(body.query);
  const documents = body.documents;
  const model = toText(body.model) ?? 'rerank-v4.0';
  if (query === undefined || !Array.isArray(documents)) {
    const message =
      query === undefined ? 'invalid request: query is required' : 'invalid request: documents is required';
    return toErrorReply(exchange, 'cohere', 400, { message });
  }
  const words = new Set(toWords(query));
  const withText = documents.map((document) => toText(document) ?? toText(toObject(document).text) ?? '');
  const results = withText
    .map((text, index) => {
      const own = toWords(text);
      const shared = own.filter((word) => words.has(word)).length;
      return {
        index,
        relevance_score: own.length === 0 ? 0 : Number((shared / own.length).toFixed(7)),
        ...(body.return_documents === true ? { document: { text } } : {}),
      };
    })
    .sort((left, right) => right.relevance_score - left.relevance_score || left.index - right.index)
    .slice(0, toNumber(body.top_n) ?? documents.length);
  const version = exchange.request.path.startsWith('/v1/') ? '1' : '2';
  const units = { search_units: Math.max(1, Math.ceil(documents.length / 100)) };
  const id = `${exchange.state.nextHex(8)}-${exchange.state.nextHex(4)}-4000-8000-${exchange.state.nextHex(12)}`;
  return toJsonReply(
    { id, results, meta: { api_version: { version }, billed_units: units } },
    toModelHeaders(exchange, 'cohere'),
    { model, usage: toPromptUsage(countPromptTokens(query, documents)) },
  );
}

function toModelIds(exchange: Exchange): readonly string[] {
  return exchange.options.models?.openai ?? defaultModels;
}

function toModel(id: string): JsonObject {
  return { id, object: 'model', created: 1_754_000_000, owned_by: 'system' };
}

function toWords(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function countInput(item: unknown): number {
  if (typeof item === 'string') {
    return countTokens(item);
  }
  return toArray(item).length;
}
