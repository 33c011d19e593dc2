/**
 * The index of the first byte at or after `position` that a JSON string may not hold as it is: a quote, a backslash
 * or a control character. Answers `bytes.byteLength` when there is none.
 */
export function skipPlainBytes(bytes: DataView, position: number): number {
  const length = bytes.byteLength;
  // Four bytes a step. Flipping 0x02 puts the quote (0x22) right above the control characters and moves the space
  // out of the way, so one "is any byte below 0x21" finds both; the second finds a zero where the backslash was.
  while (position + 8 <= length) {
    const first = bytes.getInt32(position, true);
    const second = bytes.getInt32(position + 4, true);
    const a =
      (((first ^ 0x02020202) - 0x21212121) | ((first ^ 0x5c5c5c5c) - 0x01010101)) & ~first & 0x80808080;
    const b =
      (((second ^ 0x02020202) - 0x21212121) | ((second ^ 0x5c5c5c5c) - 0x01010101)) & ~second & 0x80808080;
    if ((a | b) !== 0) {
      if (a !== 0) return position + ((31 - Math.clz32(a & -a)) >>> 3);
      return position + 4 + ((31 - Math.clz32(b & -b)) >>> 3);
    }
    position += 8;
  }
  while (position + 4 <= length) {
    const word = bytes.getInt32(position, true);
    const hits =
      (((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101)) & ~word & 0x80808080;
    // Borrows only travel upwards, so the lowest hit is a real one.
    if (hits !== 0) return position + ((31 - Math.clz32(hits & -hits)) >>> 3);
    position += 4;
  }
  while (position < length) {
    const byte = bytes.getUint8(position);
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return position;
    position++;
  }
  return length;
}
