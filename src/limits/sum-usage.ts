import type { Usage } from '../message.ts';

const kinds = [
  'inputTokens',
  'cachedInputTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'outputTokens',
  'reasoningTokens',
] as const;

const certainty = ['estimated', 'counted', 'reported'] as const;

/** What two attempts used together; as certain as the less certain of them. */
export function sumUsage(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (!one || !other) return one ?? other;
  const sum: { -readonly [Name in keyof Usage]: Usage[Name] } = {
    source:
      certainty[Math.min(certainty.indexOf(one.source), certainty.indexOf(other.source))] ?? 'estimated',
  };
  for (const kind of kinds) {
    const tokens = (one[kind] ?? 0) + (other[kind] ?? 0);
    if (one[kind] !== undefined || other[kind] !== undefined) sum[kind] = tokens;
  }
  return sum;
}

/** Adds what attempts used whose answers nobody got to what the serving one used. */
export function withAttempts<Known extends Usage | undefined>(
  usage: Known,
  attempts: readonly { readonly usage?: Usage }[],
): Known | Usage {
  let sum: Known | Usage = usage;
  for (const attempt of attempts) if (attempt.usage) sum = sumUsage(sum, attempt.usage) ?? sum;
  return sum;
}
