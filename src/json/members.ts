import type { JsonObjectIndex } from './object-index.ts';
import { JsonScanError, quoteExcerpt } from './scan-error.ts';
import { decodeUtf8 } from './text.ts';

const PLAIN_DIGITS = /^(?:0|[1-9][0-9]*)$/;

/**
 * The text of a member's value as it was sent, or `undefined` when there is no such member. It tells apart what
 * `readMember` cannot: `1e400` from `Infinity`, `9007199254740993` from `9007199254740992`, `-0` from `0`.
 *
 * @param body the bytes that `index` was made from.
 */
export function rawMember(body: Uint8Array, index: JsonObjectIndex, key: string): string | undefined {
  const member = index.get(key);
  return member && decodeUtf8(body, member.valueStart, member.valueEnd);
}

/**
 * The value of one member, parsed; `undefined` when there is no such member. Only the bytes of that member are read,
 * and what is returned is the caller's own.
 *
 * @param body the bytes that `index` was made from.
 */
export function readMember(body: Uint8Array, index: JsonObjectIndex, key: string): unknown {
  const member = index.get(key);
  if (member === undefined) return undefined;
  const { kind, valueStart, valueEnd } = member;
  if (kind !== 'string') return JSON.parse(decodeUtf8(body, valueStart, valueEnd));
  // without escapes a string is as it stands
  const text = decodeUtf8(body, valueStart + 1, valueEnd - 1);
  return text.includes('\\') ? JSON.parse(`"${text}"`) : text;
}

/**
 * The value of a member that counts something; `undefined` when there is no such member.
 *
 * @param body the bytes that `index` was made from.
 * @throws JsonScanError `bad_number` unless the value is written in plain digits and is at most 2^53 - 1: `null`,
 * `"100"`, `-1`, `-0`, `1.5`, `1e3`, `1e400` and `9007199254740993` are all refused.
 */
export function readSafeInteger(body: Uint8Array, index: JsonObjectIndex, key: string): number | undefined {
  const member = index.get(key);
  if (member === undefined) return undefined;
  const { valueStart, valueEnd } = member;
  const short = readShortInteger(body, valueStart, valueEnd);
  if (short >= 0) return short;
  // A longer value is wrong whatever it is, so no more of it is decoded than the message may show.
  const raw = decodeUtf8(body, valueStart, Math.min(valueEnd, valueStart + 65));
  const value = PLAIN_DIGITS.test(raw) ? Number(raw) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  const rule = `an integer from 0 to ${Number.MAX_SAFE_INTEGER}, in plain digits`;
  const message = `${quoteExcerpt(key)} must be ${rule}, not ${quoteExcerpt(raw)}.`;
  throw new JsonScanError('bad_number', valueStart, message);
}

/** Reads up to 15 plain digits, as nearly all numbers are, without making a string; -1 for anything else. */
function readShortInteger(body: Uint8Array, start: number, end: number): number {
  if (end - start > 15 || (body[start] === 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let index = start; index < end; index++) {
    const digit = body[index]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
