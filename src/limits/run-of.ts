import { GatewayError } from '../errors.ts';
import type { HeaderMap } from '../message.ts';

/** Where callers say which agent run a request is part of. */
export const runHeader = 'x-headgate-run';

/**
 * The agent run that a request is part of; undefined when it names none.
 *
 * @throws GatewayError `malformed_request` (400) unless it is 1 to 128 printable ASCII characters, once
 */
export function runOf(headers: HeaderMap): string | undefined {
  return readName(headers, runHeader, 128);
}

/** A header that names something, checked. */
export function readName(headers: HeaderMap, name: string, maxLength: number): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value.length <= maxLength && printable.test(value)) return value;
  throw new GatewayError(
    'malformed_request',
    `The header ${name} must be given once, with 1 to ${maxLength} printable ASCII characters.`,
    { param: name },
  );
}

const printable = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
