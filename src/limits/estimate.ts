import type { Call } from '../call.ts';

/** Output held for a request that names no limit and whose model has none configured. */
export const defaultOutputTokens = 4_096;

/**
 * Input tokens of a call, from the size of its body: about four bytes a token in English and code. Linear by nature and
 * never slow, whatever the text is.
 */
export function estimateInputTokens(call: Call): number {
  return Math.ceil(call.body.length / 4);
}
