import { type JsonObjectIndex, readMember } from '../json/scan.ts';

/** The most output that one of Anthropic's `fallbacks` sets in place of the request's own maximum; 0 if none does. */
export function mostOfFallbacks(body: Uint8Array, members: JsonObjectIndex): number {
  return members.get('fallbacks')?.kind === 'array' ? mostOfList(readMember(body, members, 'fallbacks')) : 0;
}

/** The same for the parsed member. */
export function mostOfList(fallbacks: unknown): number {
  let most = 0;
  for (const fallback of Array.isArray(fallbacks) ? fallbacks : []) {
    const given: unknown = fallback?.max_tokens;
    // an object may have a `toString` that is no function
    const tokens = typeof given === 'object' ? 0 : Number(given);
    if (Number.isSafeInteger(tokens) && tokens > most) most = tokens;
  }
  return most;
}
