import { BodyMemory } from '../body-memory.ts';
import type { Call } from '../call.ts';
import type { Arrival, Identified, Received } from '../context.ts';
import type { Endpoint } from '../dialects/endpoint.ts';
import { GatewayError } from '../errors.ts';
import {
  type JsonObjectIndex,
  JsonScanError,
  readMember,
  readSafeInteger,
  scanJsonObject,
} from '../json/scan.ts';
import { promptsOf } from '../limits/estimate.ts';
import { mostOfFallbacks } from '../limits/fallback-tokens.ts';
import { findFormField } from '../multipart.ts';
import type { Stage } from '../pipeline.ts';
import { nestedModels } from './nested-models.ts';

/**
 * Reads the body when the caller is known, and ensures that everyone who reads it sees the same thing: strict JSON
 * without duplicate or prototype keys, or a well-formed form; the model named once; whole numbers where limits rely on
 * them.
 *
 * @param options.freesBody whether `call.body` may be empty once the head of the reply is there: memory of large bodies
 *   is then given back at once. Not for pipelines with stages that read it later. @default false
 * @throws GatewayError 400, 408, 413 or 415, each saying what to change.
 */
export function readCall(
  options: { readonly freesBody?: boolean } = {},
): Stage<Arrival & Identified, Received> {
  const { freesBody = false } = options;
  return {
    name: 'readCall',
    run({ id, endpoint, request, record, snapshot }, next) {
      const { maxBodyBytes, maxDepth } = snapshot.config.relay;
      const contentType = checkMediaType(endpoint, request.headers['content-type']);
      const go = (body: Uint8Array) => {
        const memory = freesBody && request.bodyIsExclusive ? BodyMemory.of(body) : undefined;
        const call =
          endpoint.body === 'json'
            ? readJsonCall(id, endpoint, body, memory, request.query, maxDepth)
            : readOtherCall(id, endpoint, body, memory, request.query, contentType);
        record.requestBytes = body.length;
        record.stream = call.stream;
        if (call.model !== undefined) record.requestedModel = call.model;
        const reply = next({ call });
        // a stage that answers has ended it already
        if (memory) reply.catch(() => memory.end());
        return reply;
      };
      const body = endpoint.body === 'none' ? noBody : request.readBody(maxBodyBytes);
      // a host's own request may use another library's promises
      return 'then' in body ? body.then(go) : go(body);
    },
  };
}

const noBody = new Uint8Array(0);
const mediaTypes = { json: 'application/json', multipart: 'multipart/form-data', none: '' } as const;

/** Exactly the media type of the endpoint, parameters aside: lenient parsers of this field have been tricked before. */
function checkMediaType(endpoint: Endpoint, value: string | readonly string[] | undefined): string {
  const wanted = mediaTypes[endpoint.body];
  if (wanted === '') return '';
  const given = typeof value === 'string' ? value : '';
  const end = given.indexOf(';');
  const type = end < 0 ? given : given.slice(0, end).trimEnd();
  if (type.toLowerCase() === wanted && (end < 0 || wanted !== 'application/json' || isUtf8(given, end)))
    return given;
  throw new GatewayError('unsupported_media_type', `This endpoint takes a body of content-type ${wanted}.`);
}

/** In any other charset the JSON would be another document to a reader that honours it. */
function isUtf8(contentType: string, end: number): boolean {
  const parameters = contentType.slice(end);
  return !/charset/i.test(parameters) || /^;\s*charset="?utf-?8"?\s*;?\s*$/i.test(parameters);
}

function readJsonCall(
  id: string,
  endpoint: Endpoint,
  bytes: Uint8Array,
  memory: BodyMemory | undefined,
  query: string,
  maxDepth: number,
): Call {
  try {
    const members = scanJsonObject(bytes, { maxDepth });
    const batchModels =
      endpoint.operation === 'message-batch-create' ? readBatchModels(bytes, members) : undefined;
    const model = batchModels ? batchModels[0] : readModel(endpoint, bytes, members);
    return {
      id,
      endpoint,
      model,
      stream: endpoint.streams ?? readFlag(members, 'stream'),
      body: bytes,
      memory,
      members,
      modelSpan: undefined,
      maxOutputTokens: readMaxOutput(endpoint, bytes, members),
      batchModels,
      nestedModels: nestedModels(bytes, members),
      wantsStreamUsage: readStreamUsage(bytes, members),
      query: query === '' ? '' : `?${query}`,
      counted: undefined,
    };
  } catch (error) {
    throw error instanceof JsonScanError ? toRefusal(error) : error;
  }
}

function toRefusal(error: JsonScanError): GatewayError {
  const code = error.code === 'duplicate_key' ? 'duplicate_key' : 'malformed_request';
  return new GatewayError(code, error.message, { cause: error });
}

/** The model a JSON body names. If the path names one too (Gemini), the body must agree wherever it names one. */
function readModel(endpoint: Endpoint, bytes: Uint8Array, members: JsonObjectIndex): string | undefined {
  const given = readMember(bytes, members, 'model');
  if (endpoint.model !== undefined) {
    if (given !== undefined) checkSameModel(endpoint.model, given);
    for (const name of nests) checkNested(endpoint.model, name, bytes, members);
    return endpoint.model;
  }
  if (typeof given !== 'string' || given === '') {
    throw new GatewayError('malformed_request', 'Name the model: "model" must be a non-empty string.', {
      param: 'model',
    });
  }
  return requireShort(given);
}

/** Records keep the name, even of refused requests. */
function requireShort(model: string): string {
  if (model.length <= 256) return model;
  throw new GatewayError('malformed_request', 'The name in "model" is longer than 256 characters.', {
    param: 'model',
  });
}

/** Members of Gemini requests that hold whole requests, which name the model again. */
const nests = ['requests', 'generateContentRequest', 'generate_content_request'] as const;

function checkNested(
  model: string,
  name: (typeof nests)[number],
  bytes: Uint8Array,
  members: JsonObjectIndex,
): void {
  if (!members.get(name)) return;
  const value = readMember(bytes, members, name);
  for (const request of Array.isArray(value) ? value : [value]) {
    const given = (request as { model?: unknown } | null)?.model;
    if (given !== undefined) checkSameModel(model, given);
  }
}

function checkSameModel(model: string, given: unknown): void {
  if (given === model || given === `models/${model}`) return;
  throw new GatewayError(
    'malformed_request',
    'The body names another model than the path does. Name one, or the same in both.',
    { param: 'model' },
  );
}

function readBatchModels(bytes: Uint8Array, members: JsonObjectIndex): readonly string[] {
  const requests = members.get('requests') ? readMember(bytes, members, 'requests') : undefined;
  const models = Array.isArray(requests)
    ? requests.map((request) => (request as { params?: { model?: unknown } } | null)?.params?.model)
    : [];
  if (models.length === 0 || models.some((model) => typeof model !== 'string' || model === '')) {
    throw new GatewayError(
      'malformed_request',
      '"requests" must be a non-empty array whose items each name a model in "params.model".',
      { param: 'requests' },
    );
  }
  return [...new Set((models as string[]).map(requireShort))];
}

function readFlag(members: JsonObjectIndex, name: string): boolean {
  const member = members.get(name);
  if (!member || member.kind === 'false' || member.kind === 'null') return false;
  if (member.kind === 'true') return true;
  throw new GatewayError('malformed_request', `"${name}" must be true or false.`, { param: name });
}

/** Fields that bound the output, by operation. */
const outputLimits: Partial<Record<Endpoint['operation'], readonly string[]>> = {
  chat: ['max_completion_tokens', 'max_tokens'],
  completion: ['max_tokens'],
  response: ['max_output_tokens'],
  message: ['max_tokens'],
};

const maxChoices = 128;

function readMaxOutput(endpoint: Endpoint, bytes: Uint8Array, members: JsonObjectIndex): number | undefined {
  if (endpoint.operation === 'generate-content') return readGeminiMaxOutput(bytes, members);
  let limit: number | undefined;
  const read = endpoint.family === 'openai' ? readNullable : readSafeInteger;
  for (const name of outputLimits[endpoint.operation] ?? []) {
    const given = read(bytes, members, name);
    // providers differ in which one they obey when there are two
    if (given !== undefined && (limit === undefined || given > limit)) limit = given;
  }
  if (limit !== undefined && endpoint.operation === 'message')
    limit = Math.max(limit, mostOfFallbacks(bytes, members));
  const isCompletion = endpoint.operation === 'completion';
  const choices =
    isCompletion || endpoint.operation === 'chat' ? readChoices(bytes, members, ['n', 'best_of'], read) : 1;
  if (limit === undefined) return undefined;
  return limit * choices * (isCompletion ? promptsOf(bytes, members) : 1);
}

/** OpenAI's API permits null for what is not given. */
function readNullable(bytes: Uint8Array, members: JsonObjectIndex, name: string): number | undefined {
  return members.get(name)?.kind === 'null' ? undefined : readSafeInteger(bytes, members, name);
}

function readChoices(
  bytes: Uint8Array,
  members: JsonObjectIndex,
  names: readonly string[],
  read = readSafeInteger,
): number {
  let choices = 1;
  for (const name of names) {
    const value = read(bytes, members, name);
    if (value === undefined) continue;
    if (value > maxChoices)
      throw new GatewayError('malformed_request', `"${name}" must be at most ${maxChoices}.`, {
        param: name,
      });
    choices = Math.max(choices, value);
  }
  return choices;
}

function readGeminiMaxOutput(bytes: Uint8Array, members: JsonObjectIndex): number | undefined {
  let most: number | undefined;
  for (const name of ['generationConfig', 'generation_config']) {
    const member = members.get(name);
    if (member?.kind !== 'object') continue;
    const config = bytes.subarray(member.valueStart, member.valueEnd);
    const fields = scanJsonObject(config);
    const limits = ['maxOutputTokens', 'max_output_tokens'].map((field) =>
      readSafeInteger(config, fields, field),
    );
    const candidates = readChoices(config, fields, ['candidateCount', 'candidate_count']);
    for (const limit of limits) if (limit !== undefined) most = Math.max(most ?? 0, limit * candidates);
  }
  return most;
}

function readStreamUsage(bytes: Uint8Array, members: JsonObjectIndex): boolean {
  const member = members.get('stream_options');
  if (!member || member.kind === 'null') return false;
  // anything but an object is left for the provider to refuse
  if (member.kind !== 'object') return true;
  return (readMember(bytes, members, 'stream_options') as { include_usage?: unknown }).include_usage === true;
}

function readOtherCall(
  id: string,
  endpoint: Endpoint,
  body: Uint8Array,
  memory: BodyMemory | undefined,
  query: string,
  contentType: string,
): Call {
  const field = endpoint.body === 'multipart' ? findFormField(body, contentType, 'model') : undefined;
  if (endpoint.body === 'multipart' && !field?.value) {
    throw new GatewayError('malformed_request', 'Name the model: the form needs a field "model".', {
      param: 'model',
    });
  }
  if (field) requireShort(field.value);
  const streams =
    endpoint.body === 'multipart' ? findFormField(body, contentType, 'stream')?.value === 'true' : false;
  return {
    id,
    endpoint,
    model: field?.value ?? endpoint.model,
    stream: streams,
    body,
    memory,
    members: undefined,
    modelSpan: field && { start: field.start, end: field.end },
    maxOutputTokens: undefined,
    batchModels: undefined,
    wantsStreamUsage: false,
    query: query === '' ? '' : `?${query}`,
    counted: undefined,
  };
}
