import type { HeaderMap } from '../message.ts';
import type { DialectFamily } from './dialect.ts';

/**
 * Whose client is speaking, where the endpoint itself does not say (`GET /v1/models`, refusals): by the headers
 * that only Anthropic's and Google's clients send, then by hints in the path, else OpenAI.
 */
export function familyOf(headers: HeaderMap, path: string): DialectFamily {
  if (headers['anthropic-version'] !== undefined) return 'anthropic';
  if (headers['x-goog-api-key'] !== undefined || headers['x-goog-api-client'] !== undefined) return 'gemini';
  if (path.includes('/v1beta') || path.includes('/gemini/') || path.includes('Content')) return 'gemini';
  if (path.includes('/messages') || path.includes('/anthropic/')) return 'anthropic';
  return 'openai';
}
