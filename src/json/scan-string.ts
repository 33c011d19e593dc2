import { firstMark, isMark, marksIn } from './plain-bytes.ts';
import { JsonScanError, malformed } from './scan-error.ts';

/** By byte, for `\uXXXX` escapes: the value of a hexadecimal digit, 16 for everything else. */
const HEX_DIGIT = new Uint8Array(256).fill(16);
for (let digit = 0; digit < 10; digit++) HEX_DIGIT[0x30 + digit] = digit;
for (let digit = 10; digit < 16; digit++) {
  HEX_DIGIT[0x41 + digit - 10] = digit;
  HEX_DIGIT[0x61 + digit - 10] = digit;
}

/** 1 for the bytes that make a whole escape after a backslash: `" \ / b f n r t`. */
export const shortEscapes = new Uint8Array(256);
for (const byte of [0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74]) shortEscapes[byte] = 1;

/**
 * Scans a string from `position`, the byte after its opening quote. Returns the index of the closing quote, or, when
 * the string holds escapes, its bitwise complement (a negative number): the one fact that callers need, without an
 * allocation per string.
 *
 * @throws JsonScanError `malformed_json`, `lone_surrogate`
 */
export function scanString(body: Uint8Array, view: DataView, position: number): number {
  const length = body.length;
  let escaped = false;
  for (;;) {
    // inlined: source code has an escape every few words, and a call for each would cost as much again
    let marks = 0;
    while (position + 4 <= length) {
      marks = marksIn(view.getInt32(position, true));
      if (marks !== 0) break;
      position += 4;
    }
    if (marks !== 0) position += firstMark(marks);
    else while (position < length && !isMark(body[position]!)) position++;
    if (position >= length) throw malformed(body, length, 'a closing quote');
    const byte = body[position]!;
    if (byte === 0x22) return escaped ? ~position : position;
    if (byte !== 0x5c) throw malformed(body, position, 'control characters in strings to be escaped');
    escaped = true;
    position++;
    if (position < length && shortEscapes[body[position]!] === 1) position++;
    else position = scanUnicodeEscape(body, position);
  }
}

/** `position` is after the backslash; returns the byte after the escape (after the pair, if it is one). */
function scanUnicodeEscape(body: Uint8Array, position: number): number {
  const unit = readUnicodeEscape(body, position);
  if (unit < 0)
    throw malformed(body, position, 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX in a string');
  if (unit === 0) {
    const message = `A string has the NUL character (\\u0000) at byte ${position - 1}: remove it.`;
    throw new JsonScanError('malformed_json', position - 1, message);
  }
  if (unit < 0xd800 || unit > 0xdfff) return position + 5;
  if (unit < 0xdc00 && body[position + 5] === 0x5c) {
    const second = readUnicodeEscape(body, position + 6);
    if (second >= 0xdc00 && second <= 0xdfff) return position + 11;
  }
  const message = `A string has half of a surrogate pair at byte ${position - 1}: send both halves, or the character itself.`;
  throw new JsonScanError('lone_surrogate', position - 1, message);
}

/** The code unit of `uXXXX` at `position`, or -1 when there is none. */
function readUnicodeEscape(body: Uint8Array, position: number): number {
  if (position + 5 > body.length || body[position] !== 0x75) return -1;
  let unit = 0;
  for (let index = position + 1; index < position + 5; index++) {
    const digit = HEX_DIGIT[body[index]!]!;
    if (digit === 16) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}
