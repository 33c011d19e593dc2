import type { JsonObject } from './json.ts';
import { toErrorReply } from './provider-error.ts';
import { toIdHeaders, toJsonReply } from './reply.ts';
import type { Exchange, Reply } from './types.ts';

const defaultModels = ['claude-opus-5-5', 'claude-sonnet-5', 'claude-haiku-4-5-20251001'];
const maxPage = 1_000;

/** `GET /v1/models` for Anthropic's clients, newest first, in pages. */
export function listAnthropicModels(exchange: Exchange): Reply {
  return toPage(exchange, toModels(exchange));
}

/** `GET /v1/models/{id}` for Anthropic's clients. */
export function getAnthropicModel(exchange: Exchange, id: string): Reply {
  const model = toModels(exchange).find((candidate) => candidate.id === id);
  return model === undefined
    ? toErrorReply(exchange, 'anthropic', 404, { message: `model: ${id}` })
    : toJsonReply(model, toIdHeaders(exchange, 'anthropic'));
}

/** One page of a list: `limit` (1 to 1,000, 20 by default), `after_id` or `before_id`. */
export function toPage(exchange: Exchange, items: readonly JsonObject[]): Reply {
  const query = new URLSearchParams(exchange.request.query);
  const limit = Number(query.get('limit') ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPage) {
    return toErrorReply(exchange, 'anthropic', 400, { message: `limit: must be between 1 and ${maxPage}` });
  }
  const indexOf = (id: string | null) => items.findIndex((item) => item.id === id);
  const after = query.get('after_id');
  const before = query.get('before_id');
  const start =
    before === null ? (after === null ? 0 : indexOf(after) + 1) : Math.max(0, indexOf(before) - limit);
  const end = before === null ? start + limit : indexOf(before);
  const data = items.slice(start, end);
  return toJsonReply(
    {
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: before === null ? end < items.length : start > 0,
    },
    toIdHeaders(exchange, 'anthropic'),
  );
}

function toModels(exchange: Exchange): JsonObject[] {
  return (exchange.options.models?.anthropic ?? defaultModels).map((id) => ({
    type: 'model',
    id,
    display_name: id.replace(/-\d{8}$/, '').replace(/(^|-)(\w)/g, (_, dash: string, letter: string) => {
      return `${dash === '' ? '' : ' '}${letter.toUpperCase()}`;
    }),
    created_at: '2026-02-17T00:00:00Z',
    max_input_tokens: 200_000,
    max_tokens: 64_000,
  }));
}
