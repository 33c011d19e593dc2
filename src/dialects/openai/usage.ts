import { sumUsage } from '../../limits/sum-usage.ts';
import type { Usage } from '../../message.ts';
import { asObject, type Members } from '../stream-data.ts';
import { toTokens, toUsage } from '../token-usage.ts';

/** Members of a JSON reply that may hold usage: `usage` everywhere, `svg_usage` beside it in images, `meta` in Cohere's rerank. */
export const openAiUsageMembers = ['usage', 'svg_usage', 'meta'] as const;

/** Usage of any JSON reply of the OpenAI endpoints and of rerank. */
export function readOpenAiUsage(member: (name: string) => unknown): Usage | undefined {
  const usage = toOpenAiUsage(member('usage')) ?? toRerankUsage(member('meta'));
  return sumUsage(usage, toOpenAiUsage(member('svg_usage')));
}

/**
 * Usage from a `usage` object: Chat and Completions say prompt/completion, Responses, images and audio say
 * input/output, embeddings and rerank give the input only. Audio billed by duration holds no tokens.
 */
export function toOpenAiUsage(value: unknown): Usage | undefined {
  const usage = asObject(value);
  if (!usage) return undefined;
  const output = toTokens(usage.completion_tokens) ?? toTokens(usage.output_tokens);
  const total = toTokens(usage.total_tokens);
  const beside = restOf(total, output);
  const told = toTokens(usage.prompt_tokens) ?? toTokens(usage.input_tokens);
  // a total alone is taken for input; Mistral reports incoming audio by nothing else
  const input = usage.prompt_audio_seconds ? (beside ?? told) : (told ?? beside);
  const rest = restOf(total, input);
  const inputDetails = detailsOf(usage, 'prompt_tokens_details', 'input_tokens_details');
  const outputDetails = detailsOf(usage, 'completion_tokens_details', 'output_tokens_details');
  const { cacheWrite5mTokens, cacheWrite1hTokens } = cacheWrites(inputDetails);
  return toUsage({
    inputTokens: input,
    // in the words of OpenAI, DeepSeek and Moonshot
    cachedInputTokens: toTokens(
      inputDetails.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cached_tokens,
    ),
    cacheWrite5mTokens,
    cacheWrite1hTokens,
    // most count reasoning within the output; what else the total holds came out too, named or not
    outputTokens: (rest ?? 0) > (output ?? -1) ? rest : output,
    reasoningTokens: toTokens(outputDetails.reasoning_tokens),
  });
}

/** What is left of a total. */
function restOf(total: number | undefined, part = 0): number | undefined {
  return total !== undefined && total >= part ? total - part : undefined;
}

function detailsOf(usage: Members, name: string, otherName: string): Members {
  return asObject(usage[name]) ?? asObject(usage[otherName]) ?? noDetails;
}

const noDetails: Members = {};

// OpenAI keeps prompts for 30 minutes or 12 hours where Anthropic says 5 minutes or 1 hour: a short kind and a
// long kind, priced separately, so both use the same two names
function cacheWrites(details: Members) {
  const written = toTokens(details.cache_write_tokens);
  const long = toTokens(asObject(details.cache_write_tokens_details)?.ttl_12h_tokens);
  if (written === undefined || long === undefined || long === 0 || long > written) {
    return { cacheWrite5mTokens: written, cacheWrite1hTokens: undefined };
  }
  return { cacheWrite5mTokens: written - long, cacheWrite1hTokens: long };
}

/** Usage from the `meta` of a rerank reply: `tokens`, else the billed units when those are tokens. */
function toRerankUsage(value: unknown): Usage | undefined {
  const meta = asObject(value);
  return toOpenAiUsage(meta?.tokens) ?? toOpenAiUsage(meta?.billed_units);
}
