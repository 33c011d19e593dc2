import type { JsonMember } from './object-index.ts';

/** Where one element of an array stands: offsets in bytes, `end` behind it. */
export interface ElementSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * The elements of an array member, in order. The document must have passed `scanJsonObject`: the grammar is not checked
 * again, only strings and brackets are told apart.
 *
 * @param most ends after so many elements, and looks no further. @default all
 */
export function elementSpans(
  body: Uint8Array,
  member: JsonMember,
  most = Number.POSITIVE_INFINITY,
): ElementSpan[] {
  const spans: ElementSpan[] = [];
  let depth = 0;
  let start = -1;
  for (let index = member.valueStart + 1; index < member.valueEnd - 1; index++) {
    const byte = body[index] as number;
    if (byte <= 0x20) continue;
    if (depth === 0 && byte === 0x2c) {
      spans.push({ start, end: endOfValue(body, index) });
      if (spans.length >= most) return spans;
      start = -1;
      continue;
    }
    if (start < 0) start = index;
    if (byte === 0x22) index = endOfString(body, index);
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  if (start >= 0) spans.push({ start, end: endOfValue(body, member.valueEnd - 1) });
  return spans;
}

/** Offset of the quote that closes the string opened at `index`. */
function endOfString(body: Uint8Array, index: number): number {
  let end = index + 1;
  while (body[end] !== 0x22) end += body[end] === 0x5c ? 2 : 1;
  return end;
}

/** `end` without the white space before it. */
function endOfValue(body: Uint8Array, end: number): number {
  let last = end;
  while ((body[last - 1] as number) <= 0x20) last--;
  return last;
}
