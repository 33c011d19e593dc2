import { isUtf8 } from 'node:buffer';

/**
 * Why a document was refused.
 *
 * - `not_utf8`: the bytes are not valid UTF-8 (RFC 3629).
 * - `malformed_json`: the bytes are not JSON (RFC 8259), or a string holds the NUL character.
 * - `not_an_object`: the document is an array, a string, a number, `true`, `false` or `null`.
 * - `too_deep`: more nested objects and arrays than `maxDepth`.
 * - `too_many_keys`: more members in all objects together than `maxKeys`.
 * - `duplicate_key`: the root object has one key twice.
 * - `forbidden_key`: a key `__proto__`, or a key `constructor` whose object has a key `prototype`.
 * - `lone_surrogate`: a `\uD800`–`\uDFFF` escape without the other half of its pair.
 * - `bad_number`: a member that must be a non-negative safe integer is something else.
 */
export type JsonScanErrorCode =
  | 'not_utf8'
  | 'malformed_json'
  | 'not_an_object'
  | 'too_deep'
  | 'too_many_keys'
  | 'duplicate_key'
  | 'forbidden_key'
  | 'lone_surrogate'
  | 'bad_number';

/**
 * A JSON document was refused. `message` says what to change and may be shown to whoever sent the document: it
 * repeats at most 64 characters of it, with control and non-ASCII characters escaped.
 */
export class JsonScanError extends Error {
  override readonly name = 'JsonScanError';
  /** Why the document was refused; stable across versions. */
  readonly code: JsonScanErrorCode;
  /** Where in the document, in bytes from its first byte (a byte order mark counts). */
  readonly offset: number;

  constructor(code: JsonScanErrorCode, offset: number, message: string) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}

/** At most 64 characters of `text`, in quotes, fit for a message: everything but printable ASCII is escaped. */
export function quoteExcerpt(text: string): string {
  const shown = text.length > 64 ? `${text.slice(0, 61)}...` : text;
  return `"${shown.replace(/[^\x20-\x7e]|["\\]/g, escapeUnit)}"`;
}

function escapeUnit(unit: string): string {
  if (unit === '"' || unit === '\\') return `\\${unit}`;
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The error for a byte that the grammar does not allow at `offset`, or for a document that ends there. */
export function malformed(body: Uint8Array, offset: number, expected: string): JsonScanError {
  const byte = body[offset];
  let found = 'the end of the document';
  if (byte !== undefined) {
    found = byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte 0x${hex(byte)}`;
  }
  return new JsonScanError(
    'malformed_json',
    offset,
    `Invalid JSON at byte ${offset}: expected ${expected}, found ${found}.`,
  );
}

/** The error for a document that is known not to be UTF-8, with the place where it stops being so. */
export function notUtf8(body: Uint8Array): JsonScanError {
  const offset = findInvalidUtf8(body);
  const byte = hex(body[offset] ?? 0);
  const message = `The JSON document is not valid UTF-8 at byte ${offset} (0x${byte}): encode it as UTF-8.`;
  return new JsonScanError('not_utf8', offset, message);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

// In windows, so that a large hostile document does not cost a decoded copy of itself.
function findInvalidUtf8(body: Uint8Array): number {
  let start = 0;
  while (start < body.length) {
    let end = Math.min(start + 65_536, body.length);
    const floor = end - 3;
    while (end < body.length && end > floor && (body[end]! & 0xc0) === 0x80) end--;
    const window = body.subarray(start, end);
    if (!isUtf8(window)) return start + findReplacement(window);
    start = end;
  }
  return body.length;
}

// Decoding replaces what is invalid with U+FFFD, so the first difference after encoding again is where that is.
function findReplacement(window: Uint8Array): number {
  const decoded = new TextEncoder().encode(new TextDecoder('utf-8', { ignoreBOM: true }).decode(window));
  let offset = 0;
  while (offset < window.length && window[offset] === decoded[offset]) offset++;
  return Math.min(offset, window.length - 1);
}
