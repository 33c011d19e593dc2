import { malformed } from './scan-error.ts';

/** Scans a number whose first byte (a minus or a digit) is at `position`; returns the byte after it. */
export function scanNumber(body: Uint8Array, position: number): number {
  const length = body.length;
  let byte = body[position]!;
  if (byte === 0x2d) byte = ++position < length ? body[position]! : 0;
  if (byte < 0x30 || byte > 0x39) throw malformed(body, position, 'a digit');
  const leading = byte;
  for (;;) {
    byte = ++position < length ? body[position]! : 0;
    if (byte < 0x30 || byte > 0x39 || leading === 0x30) break;
  }
  return scanFraction(body, position);
}

/** Scans the fraction and the exponent of a number, if there are any; returns the byte after them. */
export function scanFraction(body: Uint8Array, position: number): number {
  const length = body.length;
  if (position < length && body[position] === 0x2e) position = scanDigits(body, position + 1);
  if (position < length && (body[position]! | 0x20) === 0x65) {
    position++;
    if (position < length && (body[position] === 0x2b || body[position] === 0x2d)) position++;
    position = scanDigits(body, position);
  }
  return position;
}

function scanDigits(body: Uint8Array, start: number): number {
  const length = body.length;
  let position = start;
  while (position < length && body[position]! >= 0x30 && body[position]! <= 0x39) position++;
  if (position === start) throw malformed(body, start, 'a digit');
  return position;
}

/** Scans the rest of `true`, `false` or `null` at `position`; returns the byte after it. */
export function scanWord(body: Uint8Array, position: number, word: string): number {
  for (let index = 0; index < word.length; index++) {
    if (body[position + index] !== word.charCodeAt(index))
      throw malformed(body, position + index, `"${word}"`);
  }
  return position + word.length;
}

/** The first byte at or after `position` that is not a space, tab, line feed or carriage return. */
export function skipWhitespace(body: Uint8Array, position: number): number {
  const length = body.length;
  while (position < length) {
    const byte = body[position]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    position++;
  }
  return position;
}
