import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { toErrorReply } from './provider-error.ts';
import { toJsonReply, toModelHeaders, toPromptUsage } from './reply.ts';
import { countPromptTokens } from './tokens.ts';
import type { Exchange, Reply } from './types.ts';
import { toVector } from './vectors.ts';

const defaultModels = ['gemini-3.5-flash', 'gemini-3.1-pro', 'gemini-embedding-2'];
const maxPage = 1_000;
const maxDimensions = 3_072;

/** `POST /{version}/models/{model}:embedContent`. */
export function embedContent(exchange: Exchange, model: string, body: JsonObject): Reply {
  const tokens = countPromptTokens(body.content);
  return toJsonReply(
    { embedding: toEmbedding(body), usageMetadata: toUsage(tokens) },
    toModelHeaders(exchange, 'gemini'),
    { model, usage: toPromptUsage(tokens) },
    'gemini',
  );
}

/** `POST /{version}/models/{model}:batchEmbedContents`. */
export function batchEmbedContents(exchange: Exchange, model: string, body: JsonObject): Reply {
  const requests = toArray(body.requests).map(toObject);
  if (requests.length === 0) {
    return toErrorReply(exchange, 'gemini', 400, {
      message: '* BatchEmbedContentsRequest.requests: is required\n',
    });
  }
  const tokens = requests.reduce((sum, request) => sum + countPromptTokens(request.content), 0);
  return toJsonReply(
    { embeddings: requests.map(toEmbedding), usageMetadata: toUsage(tokens) },
    toModelHeaders(exchange, 'gemini'),
    { model, usage: toPromptUsage(tokens) },
    'gemini',
  );
}

/** `GET /{version}/models` for Gemini's clients, in pages of `pageSize` (50 by default). */
export function listGeminiModels(exchange: Exchange): Reply {
  const query = new URLSearchParams(exchange.request.query);
  const size = Math.min(maxPage, Number(query.get('pageSize') ?? 50) || 50);
  const token = query.get('pageToken') ?? '';
  const start = token === '' ? 0 : Number(Buffer.from(token, 'base64url').toString());
  if (!Number.isInteger(start) || start < 0) {
    return toErrorReply(exchange, 'gemini', 400, { message: 'Invalid page token' });
  }
  const ids = toModelIds(exchange);
  const models = ids.slice(start, start + size).map(toModel);
  const hasMore = start + size < ids.length;
  const next = hasMore ? { nextPageToken: Buffer.from(String(start + size)).toString('base64url') } : {};
  return toJsonReply({ models, ...next }, toModelHeaders(exchange, 'gemini'), undefined, 'gemini');
}

/** `GET /{version}/models/{model}` for Gemini's clients. */
export function getGeminiModel(exchange: Exchange, id: string): Reply {
  return toModelIds(exchange).includes(id)
    ? toJsonReply(toModel(id), toModelHeaders(exchange, 'gemini'), undefined, 'gemini')
    : toErrorReply(exchange, 'gemini', 404, { message: `models/${id} is not found for API version v1beta.` });
}

function toModelIds(exchange: Exchange): readonly string[] {
  return exchange.options.models?.gemini ?? defaultModels;
}

function toModel(id: string): JsonObject {
  const isEmbedding = id.includes('embedding');
  return {
    name: `models/${id}`,
    version: '001',
    displayName: id,
    description: `The model ${id}`,
    inputTokenLimit: isEmbedding ? 8_192 : 1_048_576,
    outputTokenLimit: isEmbedding ? 1 : 65_536,
    supportedGenerationMethods: isEmbedding
      ? ['embedContent', 'countTextTokens', 'countTokens']
      : ['generateContent', 'countTokens', 'createCachedContent', 'batchGenerateContent'],
    temperature: 1,
    topP: 0.95,
    topK: 64,
    maxTemperature: 2,
  };
}

function toEmbedding(request: JsonObject): JsonObject {
  const parts = toArray(toObject(request.content).parts);
  const text = parts.map((part) => toText(toObject(part).text) ?? '').join('\n');
  const asked = Math.floor(toNumber(request.outputDimensionality) ?? maxDimensions);
  const width = Math.min(maxDimensions, Math.max(1, asked));
  return { values: [...toVector(text, width)] };
}

function toUsage(tokens: number): JsonObject {
  return { promptTokenCount: tokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }] };
}
