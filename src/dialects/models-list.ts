import { GatewayError } from '../errors.ts';
import type { DialectFamily } from './dialect.ts';

/** A model as a caller may see it. */
export interface ListedModel {
  /** The public name in the catalog. */
  readonly id: string;
  /** When it was released, milliseconds since the epoch. @default the epoch, which the APIs use for unknown */
  readonly createdAtMs?: number;
  /** Who offers it. @default `headgate` */
  readonly ownedBy?: string;
  /** A name for people. @default the id */
  readonly displayName?: string;
  readonly description?: string;
  /** Size of the context window. */
  readonly maxInputTokens?: number;
  /** The most tokens a reply may have. */
  readonly maxOutputTokens?: number;
  /** Whether its end has been announced. @default false */
  readonly isDeprecated?: boolean;
  /** When it was deprecated, milliseconds since the epoch. */
  readonly deprecatedAtMs?: number;
  /** When it ends, milliseconds since the epoch. */
  readonly retiresAtMs?: number;
}

/**
 * Renders a list of models as the family's own API does, page by page where that API has pages: Anthropic by
 * `after_id`, `before_id` and `limit` (1–1000, default 20), Gemini by `pageSize` (default 50, at most 1000) and
 * `pageToken`; OpenAI gives all at once.
 *
 * @param models all that the caller may use, in a stable order
 * @param query the raw query string, without `?`
 * @returns JSON text
 * @throws GatewayError `malformed_request` for an invalid page size or cursor
 */
export function renderModelsList(
  family: DialectFamily,
  models: readonly ListedModel[],
  query: string,
): string {
  if (family === 'openai') return JSON.stringify({ object: 'list', data: models.map(toOpenAiModel) });
  const parameters = new URLSearchParams(query);
  return family === 'anthropic' ? renderAnthropic(models, parameters) : renderGemini(models, parameters);
}

/** Renders one model as the family's own API does, as JSON text. */
export function renderModel(family: DialectFamily, model: ListedModel): string {
  const render = { openai: toOpenAiModel, anthropic: toAnthropicModel, gemini: toGeminiModel }[family];
  return JSON.stringify(render(model));
}

function renderAnthropic(models: readonly ListedModel[], parameters: URLSearchParams): string {
  const limit = readSize(parameters, 'limit', 1, 1_000) ?? 20;
  const afterId = readOne(parameters, 'after_id');
  const beforeId = readOne(parameters, 'before_id');
  if (afterId !== undefined && beforeId !== undefined) {
    throw toQueryError('before_id', 'after_id and before_id cannot be given together.');
  }
  let start = afterId === undefined ? 0 : indexOf(models, afterId, 'after_id') + 1;
  let end = start + limit;
  let hasMore = end < models.length;
  if (beforeId !== undefined) {
    end = indexOf(models, beforeId, 'before_id');
    start = Math.max(0, end - limit);
    hasMore = start > 0;
  }
  const data = models.slice(start, end).map(toAnthropicModel);
  return JSON.stringify({
    data,
    has_more: hasMore,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  });
}

function renderGemini(models: readonly ListedModel[], parameters: URLSearchParams): string {
  // as in the API: 0 is unset, and more than 1000 is 1000
  const size = Math.min(readSize(parameters, 'pageSize', 0, Number.MAX_SAFE_INTEGER) || 50, 1_000);
  const token = readOne(parameters, 'pageToken');
  const start = token === undefined ? 0 : indexOf(models, decodeToken(token), 'pageToken') + 1;
  const page = models.slice(start, start + size);
  const last = page.at(-1);
  return JSON.stringify({
    models: page.map(toGeminiModel),
    ...(last &&
      start + size < models.length && { nextPageToken: Buffer.from(last.id).toString('base64url') }),
  });
}

function decodeToken(token: string): string {
  return Buffer.from(token, 'base64url').toString();
}

function indexOf(models: readonly ListedModel[], id: string, parameter: string): number {
  const index = models.findIndex((model) => model.id === id);
  if (index === -1) throw toQueryError(parameter, `${parameter} names no model of this list.`);
  return index;
}

function readOne(parameters: URLSearchParams, name: string): string | undefined {
  const values = parameters.getAll(name);
  if (values.length > 1) throw toQueryError(name, `${name} is given more than once.`);
  return values[0] || undefined;
}

function readSize(
  parameters: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = readOne(parameters, name);
  if (text === undefined) return undefined;
  const size = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(size >= least && size <= most)) {
    throw toQueryError(name, `${name} must be a whole number from ${least} to ${most}.`);
  }
  return size;
}

function toQueryError(param: string, message: string): GatewayError {
  return new GatewayError('malformed_request', message, { param });
}

function toOpenAiModel(model: ListedModel) {
  return {
    id: model.id,
    object: 'model',
    created: Math.floor((model.createdAtMs ?? 0) / 1_000),
    owned_by: model.ownedBy ?? 'headgate',
  };
}

function toAnthropicModel(model: ListedModel) {
  return {
    type: 'model',
    id: model.id,
    display_name: model.displayName ?? model.id,
    created_at: new Date(model.createdAtMs ?? 0).toISOString(),
    max_input_tokens: model.maxInputTokens ?? null,
    max_tokens: model.maxOutputTokens ?? null,
    capabilities: null,
    lifecycle: model.isDeprecated ? 'deprecated' : 'active',
    line: null,
    // both are given for deprecated models only
    deprecated_at: model.isDeprecated ? toTime(model.deprecatedAtMs) : null,
    retires_at: model.isDeprecated ? toTime(model.retiresAtMs) : null,
  };
}

function toTime(atMs: number | undefined): string | null {
  return atMs === undefined ? null : new Date(atMs).toISOString();
}

function toGeminiModel(model: ListedModel) {
  return {
    name: model.id.startsWith('tunedModels/') ? model.id : `models/${model.id}`,
    displayName: model.displayName ?? model.id,
    description: model.description,
    inputTokenLimit: model.maxInputTokens,
    outputTokenLimit: model.maxOutputTokens,
  };
}
