/**
 * Marks those of four bytes that a JSON string may not hold unescaped: a quote, a backslash or a control character. 0
 * when there is none; else `firstMark` finds the first.
 */
export function marksIn(word: number): number {
  // Flipping 0x02 puts the quote (0x22) right above the control characters and moves the space out of the way, so one "is
  // any byte below 0x21" finds both; the second finds a zero where the backslash was.
  return (((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)) & ~word & 0x80808080;
}

/** Place of the first byte that is marked, from 0 to 3. Borrows only travel upwards, so the lowest mark is a real one. */
export function firstMark(marks: number): number {
  return (31 - Math.clz32(marks & -marks)) >>> 3;
}

/** The same for one byte. */
export function isMark(byte: number): boolean {
  return byte < 0x20 || byte === 0x22 || byte === 0x5c;
}

/** The index of the first byte at or after `position` that is marked; `length`, that of the bytes, when there is none. */
export function skipPlainBytes(bytes: DataView, position: number, length: number): number {
  while (position + 4 <= length) {
    const marks = marksIn(bytes.getInt32(position, true));
    if (marks !== 0) return position + firstMark(marks);
    position += 4;
  }
  while (position < length && !isMark(bytes.getUint8(position))) position++;
  return position;
}
