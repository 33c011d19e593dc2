import { Buffer } from 'node:buffer';
import type { JsonMember } from './object-index.ts';

/**
 * Visits the elements of an array member in order: offsets in bytes, `end` after the element. The document must have
 * passed `scanJsonObject`: the grammar is not checked again, only strings and brackets are recognised.
 *
 * @param visit `false` ends it: nothing after that element is read
 */
export function forEachElement(
  body: Uint8Array,
  member: JsonMember,
  visit: (start: number, end: number) => boolean,
): void {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let depth = 0;
  let start = -1;
  for (let index = member.valueStart + 1; index < member.valueEnd - 1; index++) {
    const byte = bytes[index] as number;
    if (byte <= 0x20) continue;
    if (depth === 0 && byte === 0x2c) {
      if (!visit(start, endOfValue(bytes, index))) return;
      start = -1;
      continue;
    }
    if (start < 0) start = index;
    if (byte === 0x22) index = endOfString(bytes, index);
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  if (start >= 0) visit(start, endOfValue(bytes, member.valueEnd - 1));
}

/** Longer strings are searched by the runtime, which takes longer to begin and is faster then. */
const shortBytes = 64;

/** Offset of the quote that closes the string opened at `index`. */
function endOfString(bytes: Buffer, index: number): number {
  let end = index + 1;
  for (;;) {
    // again after each quote that closes nothing: a text may be full of them
    const most = end + shortBytes;
    while (end < most) {
      const byte = bytes[end];
      if (byte === 0x22) return end;
      end += byte === 0x5c ? 2 : 1;
    }
    const quote = bytes.indexOf(0x22, end);
    let backslashes = 0;
    while (quote - backslashes > end && bytes[quote - backslashes - 1] === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote;
    end = quote + 1;
  }
}

/** `end` without the white space before it. */
function endOfValue(body: Uint8Array, end: number): number {
  let last = end;
  while ((body[last - 1] as number) <= 0x20) last--;
  return last;
}
