import { Buffer } from 'node:buffer';

/** Short runs of ASCII are put together here: below this length that is faster than a call into the runtime. */
const SHORT = 24;

/** The text of the bytes from `start` up to `end`, which should be UTF-8. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let text = '';
    let position = start;
    while (position < end) {
      const byte = bytes[position]!;
      if (byte > 0x7f) break;
      text += String.fromCharCode(byte);
      position++;
    }
    if (position === end) return text;
  }
  // bodies are buffers, and another view of one costs more than a short text
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString('utf8', start, end);
}

/** Whether the bytes from `start` up to `end` are those of `text`, which must be ASCII. */
export function isTextAt(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++) {
    if (bytes[start + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether every character of `text` is one byte of UTF-8, of the same value. */
export function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}
