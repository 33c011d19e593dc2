import type { Usage } from '../../message.ts';
import { asObject, asObjects, type Members } from '../stream-data.ts';
import { sumTokens, type TokenCounts, toTokens, toUsage } from '../token-usage.ts';

/** Usage from a `usage` object of the Messages API. */
export function toAnthropicUsage(value: unknown): Usage | undefined {
  const usage = asObject(value);
  if (!usage) return undefined;
  const counts = toCounts(usage);
  const own = asObjects(usage.iterations).filter(({ type }) => ownRequests.has(type));
  return toUsage(own.map(toCounts).reduce(addCounts, counts));
}

/** Iterations that are requests of their own, which the top-level numbers leave out. */
const ownRequests = new Set<unknown>(['compaction', 'advisor_message']);

function toCounts(usage: Members): TokenCounts {
  const cached = toTokens(usage.cache_read_input_tokens);
  const written = toTokens(usage.cache_creation_input_tokens);
  const input = toTokens(usage.input_tokens);
  return {
    // `input_tokens` counts only what was neither read from nor written to the cache
    inputTokens: input === undefined ? undefined : sumTokens(input, cached, written),
    cachedInputTokens: cached,
    ...splitWrites(written, asObject(usage.cache_creation)),
    outputTokens: toTokens(usage.output_tokens),
    reasoningTokens: toTokens(asObject(usage.output_tokens_details)?.thinking_tokens),
  };
}

// The split may be absent or older than the total (a stream updates only the total): the rest is five-minute.
function splitWrites(written: number | undefined, split: Members | undefined) {
  const hour = toTokens(split?.ephemeral_1h_input_tokens);
  if (written === undefined) return { cacheWrite5mTokens: undefined, cacheWrite1hTokens: undefined };
  if (hour === undefined || hour > written)
    return { cacheWrite5mTokens: written, cacheWrite1hTokens: undefined };
  return { cacheWrite5mTokens: written - hour, cacheWrite1hTokens: hour };
}

function addCounts(left: TokenCounts, right: TokenCounts): TokenCounts {
  return {
    inputTokens: sumTokens(left.inputTokens, right.inputTokens),
    cachedInputTokens: sumTokens(left.cachedInputTokens, right.cachedInputTokens),
    cacheWrite5mTokens: sumTokens(left.cacheWrite5mTokens, right.cacheWrite5mTokens),
    cacheWrite1hTokens: sumTokens(left.cacheWrite1hTokens, right.cacheWrite1hTokens),
    outputTokens: sumTokens(left.outputTokens, right.outputTokens),
    reasoningTokens: sumTokens(left.reasoningTokens, right.reasoningTokens),
  };
}

/** The usage of `message_start` with what a `message_delta` brings: cumulative, so the last value of a field wins. */
export function mergeAnthropicUsage(earlier: Members | undefined, later: unknown): Members | undefined {
  const update = asObject(later);
  if (!update) return earlier;
  return { ...earlier, ...Object.fromEntries(Object.entries(update).filter(([, value]) => value !== null)) };
}
