import { countMessageTokens, createMessage } from './anthropic.ts';
import { createBatch, handleBatch, listBatches } from './anthropic-batches.ts';
import { getAnthropicModel, listAnthropicModels } from './anthropic-page.ts';
import { refuseCredential } from './authenticate.ts';
import { countContentTokens, generateContent } from './gemini.ts';
import { batchEmbedContents, embedContent, getGeminiModel, listGeminiModels } from './gemini-other.ts';
import { isObject, type JsonObject } from './json.ts';
import { createChatCompletion } from './openai-chat.ts';
import { createCompletion } from './openai-completions.ts';
import { createImages, createSpeech, createTranscription, getPixel } from './openai-media.ts';
import { createEmbeddings, createModeration, createRerank, getModel, listModels } from './openai-other.ts';
import {
  cancelResponse,
  countInputTokens,
  createResponse,
  deleteResponse,
  getResponse,
  listInputItems,
} from './openai-responses.ts';
import { toErrorReply } from './provider-error.ts';
import type { Exchange, RecordedRequest, Reply, UpstreamFamily } from './types.ts';

type Handler = (exchange: Exchange, body: JsonObject) => Reply;

const jsonRoutes: Readonly<Record<string, Handler>> = {
  '/v1/chat/completions': createChatCompletion,
  '/v1/completions': createCompletion,
  '/v1/responses': createResponse,
  '/v1/responses/input_tokens': countInputTokens,
  '/v1/embeddings': createEmbeddings,
  '/v1/moderations': createModeration,
  '/v1/images/generations': (exchange, body) => createImages(exchange, body, false),
  '/v1/audio/speech': createSpeech,
  '/v1/rerank': createRerank,
  '/v2/rerank': createRerank,
  '/v1/messages': createMessage,
  '/v1/messages/count_tokens': countMessageTokens,
  '/v1/messages/batches': createBatch,
};

const formRoutes: Readonly<Record<string, (exchange: Exchange) => Reply>> = {
  '/v1/images/edits': (exchange) => createImages(exchange, {}, true),
  '/v1/audio/transcriptions': (exchange) => createTranscription(exchange, false),
  '/v1/audio/translations': (exchange) => createTranscription(exchange, true),
};

/** The provider family that a request speaks to, by its path and, where paths collide, its headers. */
export function toFamily(request: RecordedRequest): UpstreamFamily {
  const { path, headers } = request;
  if (path.startsWith('/v1beta/') || /^\/v1\/models\/[^:]+:[a-zA-Z]+$/.test(path)) {
    return 'gemini';
  }
  if (/^\/v1\/messages(\/|$)/.test(path)) {
    return 'anthropic';
  }
  if (/^\/v[12]\/rerank$/.test(path)) {
    return 'cohere';
  }
  if (/^\/v1\/models(\/|$)/.test(path)) {
    if (headers['anthropic-version'] !== undefined) {
      return 'anthropic';
    }
    const isGoogle = headers['x-goog-api-key'] !== undefined || headers['x-goog-api-client'] !== undefined;
    return isGoogle ? 'gemini' : 'openai';
  }
  return 'openai';
}

/** Answer a request as its provider does. */
export function route(exchange: Exchange, family: UpstreamFamily): Reply {
  const { method, path } = exchange.request;
  if (path === '/files/pixel.png') {
    return getPixel();
  }
  const refusal = refuseCredential(exchange, family);
  if (refusal !== undefined) {
    return refusal;
  }
  if (method === 'POST') {
    const form = formRoutes[path];
    return form === undefined ? routeJson(exchange, family, path) : form(exchange);
  }
  return routeRead(exchange, family, method, path) ?? toUnknown(exchange, family);
}

function routeJson(exchange: Exchange, family: UpstreamFamily, path: string): Reply {
  const batch = /^\/v1\/messages\/batches\/([^/]+)\/cancel$/.exec(path)?.[1];
  if (batch !== undefined) {
    return handleBatch(exchange, batch, 'cancel');
  }
  const response = /^\/v1\/responses\/([^/]+)\/cancel$/.exec(path)?.[1];
  if (response !== undefined) {
    return cancelResponse(exchange, response);
  }
  const handler = jsonRoutes[path] ?? toGeminiHandler(path);
  if (handler === undefined) {
    return toUnknown(exchange, family);
  }
  const body = exchange.request.json;
  return isObject(body) ? handler(exchange, body) : toErrorReply(exchange, family, 400, toParseError(family));
}

function routeRead(
  exchange: Exchange,
  family: UpstreamFamily,
  method: string,
  path: string,
): Reply | undefined {
  const isGet = method === 'GET';
  const model = /^\/v1(?:beta)?\/models(?:\/(.+))?$/.exec(path);
  if (model !== null && isGet) {
    const id = model[1] === undefined ? undefined : decodeURIComponent(model[1]);
    switch (family) {
      case 'anthropic':
        return id === undefined ? listAnthropicModels(exchange) : getAnthropicModel(exchange, id);
      case 'gemini':
        return id === undefined ? listGeminiModels(exchange) : getGeminiModel(exchange, id);
      default:
        return id === undefined ? listModels(exchange) : getModel(exchange, id);
    }
  }
  const response = /^\/v1\/responses\/([^/]+)(\/input_items)?$/.exec(path);
  const responseId = response?.[1];
  if (responseId !== undefined) {
    if (response?.[2] !== undefined) {
      return isGet ? listInputItems(exchange, responseId) : undefined;
    }
    if (method === 'DELETE') {
      return deleteResponse(exchange, responseId);
    }
    return isGet ? getResponse(exchange, responseId) : undefined;
  }
  if (path === '/v1/messages/batches' && isGet) {
    return listBatches(exchange);
  }
  const batch = /^\/v1\/messages\/batches\/([^/]+)(\/results)?$/.exec(path);
  if (batch?.[1] !== undefined && (isGet || method === 'DELETE')) {
    return handleBatch(exchange, batch[1], batch[2] !== undefined ? 'results' : isGet ? 'get' : 'delete');
  }
  return undefined;
}

function toGeminiHandler(path: string): Handler | undefined {
  const match = /^\/v1(?:beta)?\/models\/(.+):([a-zA-Z]+)$/.exec(path);
  const model = decodeURIComponent(match?.[1] ?? '');
  switch (match?.[2]) {
    case 'generateContent':
      return (exchange, body) => generateContent(exchange, model, body, false);
    case 'streamGenerateContent':
      return (exchange, body) => generateContent(exchange, model, body, true);
    case 'countTokens':
      return countContentTokens;
    case 'embedContent':
      return (exchange, body) => embedContent(exchange, model, body);
    case 'batchEmbedContents':
      return (exchange, body) => batchEmbedContents(exchange, model, body);
    default:
      return undefined;
  }
}

function toUnknown(exchange: Exchange, family: UpstreamFamily): Reply {
  const { method, path } = exchange.request;
  if (family === 'gemini') {
    const body = Buffer.from(
      '<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n<p><b>404.</b> That’s an error.\n',
    );
    return { status: 404, headers: { 'content-type': 'text/html; charset=UTF-8' }, body };
  }
  const message = family === 'openai' ? `Invalid URL (${method} ${path})` : 'Not Found';
  return toErrorReply(exchange, family, 404, { message });
}

function toParseError(family: UpstreamFamily): { message: string } {
  switch (family) {
    case 'anthropic':
      return {
        message: 'The request body is not valid JSON: unexpected character: line 1 column 1 (char 0)',
      };
    case 'gemini':
      return { message: 'Invalid JSON payload received. Unexpected token.' };
    case 'cohere':
      return { message: 'invalid json syntax' };
    default:
      return {
        message:
          'We could not parse the JSON body of your request. (HINT: This likely means you aren’t using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)',
      };
  }
}
