import type { Usage } from '../../message.ts';
import { asObject } from '../stream-data.ts';
import { sumTokens, toTokens, toUsage } from '../token-usage.ts';

/** Usage from a `usageMetadata` object. The API leaves out fields that are zero, so a total fills the gap. */
export function toGeminiUsage(value: unknown): Usage | undefined {
  const metadata = asObject(value);
  if (!metadata) return undefined;
  const prompt = toTokens(metadata.promptTokenCount);
  const thoughts = toTokens(metadata.thoughtsTokenCount);
  const candidates = toTokens(metadata.candidatesTokenCount);
  const total = toTokens(metadata.totalTokenCount);
  const input =
    prompt === undefined ? undefined : sumTokens(prompt, toTokens(metadata.toolUsePromptTokenCount));
  const rest = total === undefined || input === undefined ? undefined : toTokens(total - input);
  return toUsage({
    inputTokens: input,
    cachedInputTokens: toTokens(metadata.cachedContentTokenCount),
    cacheWrite5mTokens: undefined,
    cacheWrite1hTokens: undefined,
    // the candidates' count leaves the thoughts out
    outputTokens: candidates === undefined ? (rest ?? thoughts) : sumTokens(candidates, thoughts),
    reasoningTokens: thoughts,
  });
}
