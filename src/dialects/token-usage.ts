import type { Usage } from '../message.ts';

/** A token count as a provider reports it; anything but a non-negative safe integer is unknown. */
export function toTokens(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value + 0 : undefined;
}

/** The sum of the known counts; unknown when there are none, or when the sum is not a safe integer. */
export function sumTokens(...counts: readonly (number | undefined)[]): number | undefined {
  let sum: number | undefined;
  for (const count of counts) if (count !== undefined) sum = (sum ?? 0) + count;
  return toTokens(sum);
}

/** Counts of one reply, in the arithmetic of `Usage`. */
export type TokenCounts = {
  readonly [Kind in Exclude<keyof Usage, 'source'>]: number | undefined;
};

/** Counts as reported usage. A part that is larger than its whole is unknown; undefined when nothing is known. */
export function toUsage(counts: TokenCounts): Usage | undefined {
  const { inputTokens, outputTokens, cacheWrite5mTokens, cacheWrite1hTokens } = counts;
  const cachedInputTokens = partOf(inputTokens, counts.cachedInputTokens);
  const writes = sumTokens(cacheWrite5mTokens, cacheWrite1hTokens);
  const reasoningTokens = partOf(outputTokens, counts.reasoningTokens);
  // unknown fields are absent rather than undefined, so that merging two usages is a spread
  const usage: { -readonly [Kind in keyof Usage]?: Usage[Kind] } = {};
  if (inputTokens !== undefined) usage.inputTokens = inputTokens;
  if (cachedInputTokens !== undefined) usage.cachedInputTokens = cachedInputTokens;
  if (partOf(inputTokens, writes) !== undefined) {
    if (cacheWrite5mTokens !== undefined) usage.cacheWrite5mTokens = cacheWrite5mTokens;
    if (cacheWrite1hTokens !== undefined) usage.cacheWrite1hTokens = cacheWrite1hTokens;
  }
  if (outputTokens !== undefined) usage.outputTokens = outputTokens;
  if (reasoningTokens !== undefined) usage.reasoningTokens = reasoningTokens;
  const { cacheWrite5mTokens: write5m, cacheWrite1hTokens: write1h } = usage;
  const any = inputTokens ?? outputTokens ?? cachedInputTokens ?? reasoningTokens ?? write5m ?? write1h;
  if (any === undefined) return undefined;
  usage.source = 'reported';
  return usage as Usage;
}

function partOf(whole: number | undefined, part: number | undefined): number | undefined {
  return whole !== undefined && part !== undefined && part > whole ? undefined : part;
}
