import type { Call } from '../call.ts';
import { readMember } from '../json/scan.ts';
import type { HeaderMap } from '../message.ts';
import { readName } from './run-of.ts';

/** Where callers name the end user, in any dialect. Overrides the body. */
export const endUserHeader = 'x-headgate-end-user';

const maxLength = 256;

/**
 * The end user on whose behalf the caller asks: the header, OpenAI's `safety_identifier` or `user`, Anthropic's
 * `metadata.user_id`. In a body, only a string of 1 to 256 characters counts; the provider refuses or ignores others.
 *
 * @throws GatewayError `malformed_request` (400) for a header that is repeated, empty, longer than 256 characters or not printable ASCII
 */
export function endUserOf(headers: HeaderMap, { body, members, endpoint }: Call): string | undefined {
  const named = readName(headers, endUserHeader, maxLength);
  if (named !== undefined || !members) return named;
  if (endpoint.family === 'anthropic') {
    const metadata = members.get('metadata')?.kind === 'object' && readMember(body, members, 'metadata');
    return toText((metadata as { user_id?: unknown } | false) && (metadata as { user_id?: unknown }).user_id);
  }
  if (endpoint.family !== 'openai') return undefined;
  for (const name of ['safety_identifier', 'user']) {
    const member = members.get(name);
    if (member?.kind !== 'string' || member.valueEnd - member.valueStart > 6 * maxLength) continue;
    const text = toText(readMember(body, members, name));
    if (text !== undefined) return text;
  }
  return undefined;
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= maxLength ? value : undefined;
}
