import { type JsonObjectIndex, readMember } from '../json/scan.ts';

/** The most output that one of Anthropic's `fallbacks` sets in place of the request's own maximum; 0 if none does. */
export function mostOfFallbacks(body: Uint8Array, members: JsonObjectIndex): number {
  if (members.get('fallbacks')?.kind !== 'array') return 0;
  let most = 0;
  for (const fallback of readMember(body, members, 'fallbacks') as ({ max_tokens?: unknown } | null)[]) {
    const given = Number(fallback?.max_tokens);
    if (Number.isSafeInteger(given) && given > most) most = given;
  }
  return most;
}
