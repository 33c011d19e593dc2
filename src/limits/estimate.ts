import type { Call } from '../call.ts';
import type { Model } from '../config/snapshot.ts';
import type { Operation } from '../dialects/endpoint.ts';
import { forEachElement } from '../json/elements.ts';
import { type JsonObjectIndex, readMember } from '../json/scan.ts';
import type { Usage } from '../message.ts';
import { type BodyTokens, countBodyTokens } from './body-tokens.ts';
import { mostOfList } from './fallback-tokens.ts';
import { countMediaTokens } from './media-tokens.ts';

/** Output held for a request that names no limit and whose model has none configured. */
export const defaultOutputTokens = 4_096;

/**
 * The input of a call, by its body: see `countBodyTokens`. Linear in its size, whatever it is made of. Counted once for
 * each body: each limit, each attempt and the record ask for it.
 */
export function estimateBody(call: Call): BodyTokens {
  const { id, body, members, counted } = call;
  if (counted?.body === body) return counted.tokens;
  const tokens = members
    ? countBodyTokens(body, members, id)
    : { inputTokens: formTokens(call), cacheWrite: undefined };
  call.counted = { body, tokens };
  return tokens;
}

/** Input tokens of a call. */
export function estimateInputTokens(call: Call): number {
  return estimateBody(call).inputTokens;
}

/** A form carries a recording or images; the count covers its few texts. */
function formTokens({ body, endpoint }: Call): number {
  if (body.length === 0) return 0;
  return countMediaTokens(endpoint.operation === 'transcription' ? 'audio' : 'image', body.length);
}

/** No model reads it: no provider charges for it. */
export const countsOnly: ReadonlySet<Operation> = new Set<Operation>([
  'message-count-tokens',
  'count-tokens',
  'response-input-tokens',
]);

const producesNothing = new Set<Operation>([
  ...countsOnly,
  'embedding',
  'embed-content',
  'moderation',
  'rerank',
  'response-resource',
  'message-batch-resource',
]);

/** The most that a call may produce: its own maximum, else its model's, all choices together. */
export function estimateOutputTokens(call: Call, model: Pick<Model, 'maxOutputTokens'> | undefined): number {
  const { operation } = call.endpoint;
  if (producesNothing.has(operation)) return 0;
  if (call.maxOutputTokens !== undefined) return call.maxOutputTokens;
  const each = model?.maxOutputTokens ?? defaultOutputTokens;
  return operation === 'message-batch-create' ? outputOfBatch(call, each) : each * choicesOf(call);
}

/** The most that a call may use: all of its output, and its input written to the cache if it asks for that. */
export function estimateUsage(call: Call, model: Pick<Model, 'maxOutputTokens'> | undefined): Usage {
  if (countsOnly.has(call.endpoint.operation))
    return { inputTokens: 0, outputTokens: 0, source: 'estimated' };
  const { inputTokens, cacheWrite } = estimateBody(call);
  const usage: Usage = { inputTokens, outputTokens: estimateOutputTokens(call, model), source: 'estimated' };
  if (cacheWrite === undefined) return usage;
  const written = cacheWrite === '5m' ? 'cacheWrite5mTokens' : 'cacheWrite1hTokens';
  return { ...usage, [written]: inputTokens };
}

const choiceFields: Partial<Record<Operation, readonly string[]>> = {
  chat: ['n'],
  completion: ['n', 'best_of'],
  image: ['n'],
};

/** How many answers a call wants, for all its prompts. A value that is no number was refused, or the provider will. */
export function choicesOf({ endpoint, body, members }: Call): number {
  if (!members) return 1;
  if (endpoint.operation === 'generate-content') {
    const config = members.get('generationConfig') ? 'generationConfig' : 'generation_config';
    const value = members.has(config) ? readMember(body, members, config) : undefined;
    const { candidateCount, candidate_count } = (value ?? {}) as Record<string, unknown>;
    return Math.max(toCount(candidateCount), toCount(candidate_count));
  }
  let choices = 1;
  for (const name of choiceFields[endpoint.operation] ?? []) {
    if (members.has(name)) choices = Math.max(choices, toCount(readMember(body, members, name)));
  }
  return choices * (endpoint.operation === 'completion' ? promptsOf(body, members) : 1);
}

/** How many prompts `/v1/completions` is to complete: a list of numbers is the tokens of one. */
export function promptsOf(body: Uint8Array, members: JsonObjectIndex): number {
  const prompt = members.get('prompt');
  let prompts = 0;
  if (prompt?.kind === 'array') {
    forEachElement(body, prompt, (start) => {
      const isPrompt = body[start] === quote || body[start] === openingBracket;
      if (isPrompt) prompts++;
      return isPrompt;
    });
  }
  return Math.max(1, prompts);
}

const quote = 0x22;
const openingBracket = 0x5b;

function outputOfBatch({ body, members }: Call, each: number): number {
  const requests = members && (readMember(body, members, 'requests') as unknown);
  if (!Array.isArray(requests)) return each;
  return requests.reduce(
    (sum: number, request: { params?: { max_tokens?: unknown; fallbacks?: unknown } } | null) => {
      const given = request?.params?.max_tokens;
      const own = Number.isSafeInteger(given) && (given as number) >= 0 ? (given as number) : each;
      return sum + Math.max(own, mostOfList(request?.params?.fallbacks));
    },
    0,
  );
}

function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 1 ? Math.min(value, 1_000) : 1;
}
