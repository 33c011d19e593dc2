import type { Usage } from '../message.ts';

/** How a limit in tokens counts them. */
export interface TokenCounting {
  readonly count: 'total' | 'input' | 'output';
  /** How much a token read from the cache counts. */
  readonly cached: number;
  /** How much a token written to the cache counts. */
  readonly cacheWrite: number;
  /** How much a reasoning token counts. */
  readonly reasoning: number;
}

/** Input and output, each token once. */
export const everyToken: TokenCounting = { count: 'total', cached: 1, cacheWrite: 1, reasoning: 1 };

/** What a usage counts, rounded up. Unknown counts are taken as 0; parts never count more tokens than the total. */
export function countTokens(counting: TokenCounting, usage: Usage): number {
  const { count, cached, cacheWrite, reasoning } = counting;
  let counted = 0;
  if (count !== 'output') {
    const input = usage.inputTokens ?? 0;
    const read = Math.min(input, usage.cachedInputTokens ?? 0);
    const written = Math.min(input - read, (usage.cacheWrite5mTokens ?? 0) + (usage.cacheWrite1hTokens ?? 0));
    counted += input - read - written + read * cached + written * cacheWrite;
  }
  if (count !== 'input') {
    const output = usage.outputTokens ?? 0;
    const thought = Math.min(output, usage.reasoningTokens ?? 0);
    counted += output - thought + thought * reasoning;
  }
  return Math.ceil(counted);
}

/** The most that these tokens can count, whatever kinds they turn out to be: held until that is known. */
export function mostTokens(counting: TokenCounting, inputTokens: number, outputTokens: number): number {
  const { count, cached, cacheWrite, reasoning } = counting;
  let counted = 0;
  if (count !== 'output') counted += inputTokens * Math.max(1, cached, cacheWrite);
  if (count !== 'input') counted += outputTokens * Math.max(1, reasoning);
  return Math.ceil(counted);
}
