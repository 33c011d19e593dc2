import { isUtf8 } from 'node:buffer';
import { sharedKernel } from './kernel/kernel.ts';
import { decodeKey, type JsonObjectIndex, longStringBytes, MemberTable } from './object-index.ts';
import { JsonScanError, malformed, notUtf8, quoteExcerpt } from './scan-error.ts';
import { CONSTRUCTOR_KEY, classifyKey, ORDINARY_KEY, PROTO_KEY, PROTOTYPE_KEY } from './scan-key.ts';
import { scanFraction, scanNumber, scanWord, skipWhitespace } from './scan-scalar.ts';
import { scanString } from './scan-string.ts';

export { rawMember, readMember, readSafeInteger } from './members.ts';
export type { JsonMember, JsonObjectIndex, JsonValueKind } from './object-index.ts';
export { JsonScanError, type JsonScanErrorCode } from './scan-error.ts';

/** Bounds on what `scanJsonObject` accepts. */
export interface JsonScanOptions {
  /** Levels of nested objects and arrays, the root object being the first. @default 1000, the most that can be configured */
  readonly maxDepth?: number;
  /** Members in all objects of the document together. @default 100_000 */
  readonly maxKeys?: number;
}

// What the scanner is inside of.
const ARRAY = 0;
const OBJECT = 1;
/** An object that is the value of a key `constructor`. */
const CONSTRUCTOR_OBJECT = 2;

/**
 * Checks a JSON document in one pass over its bytes and finds where the members of its root object are, so that members
 * can be read and replaced without parsing or rewriting the document.
 *
 * The grammar is RFC 8259 without extensions: what is accepted here, `JSON.parse` accepts too. Also refused, since two
 * readers of such a document may not see the same thing: duplicate keys in the root object, keys that reach a
 * prototype, lone surrogate escapes and the NUL character. A leading UTF-8 byte order mark, which `JSON.parse` refuses,
 * is allowed. The work is linear in the size of the body, memory is one number per level and one entry per member of
 * the root object, and nothing recurses.
 *
 * @param body the whole document. It is not changed here, and must not be while the index is in use.
 * @throws JsonScanError with every code but `bad_number`, and the offset of the byte at fault.
 * @throws TypeError when a bound is not a positive safe integer.
 * @example
 * const index = scanJsonObject(body);
 * const model = readMember(body, index, 'model');
 * const forwarded = spliceJson(body, [setMember(index, 'model', 'gpt-5.1')]);
 */
export function scanJsonObject(body: Uint8Array, options: JsonScanOptions = {}): JsonObjectIndex {
  const maxDepth = toBound('maxDepth', options.maxDepth ?? 1_000);
  const maxKeys = toBound('maxKeys', options.maxKeys ?? 100_000);
  return sharedKernel()?.scan(body, maxDepth, maxKeys) ?? scanByScript(body, options);
}

/**
 * The same without the kernel: it decides about every document that is not ordinary, says what is wrong with it, and is
 * what the kernel is compared with.
 */
export function scanByScript(body: Uint8Array, options: JsonScanOptions = {}): JsonObjectIndex {
  const maxDepth = toBound('maxDepth', options.maxDepth ?? 1_000);
  const maxKeys = toBound('maxKeys', options.maxKeys ?? 100_000);
  if (!isUtf8(body)) throw notUtf8(body);

  const length = body.length;
  const view = new DataView(body.buffer, body.byteOffset, length);
  const bodyStart = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  const objectStart = findRootObject(body, bodyStart);
  const members = new MemberTable(body, bodyStart, objectStart);
  // a plain array: making a typed one costs more than scanning a small body
  const containers: number[] = [];
  let container = OBJECT;
  let depth = 0;
  let keys = 0;
  let valueStart = 0;
  let position = objectStart;

  for (;;) {
    // One element a round. The root is an element without a key; it is the only one at depth 0.
    let keyClass = ORDINARY_KEY;
    if (depth > 0 && container !== ARRAY) {
      if (position >= length || body[position] !== 0x22) throw malformed(body, position, 'a key in quotes');
      const end = scanString(body, view, position + 1);
      const escaped = end < 0;
      const keyEnd = escaped ? ~end : end;
      if (++keys > maxKeys) throw tooManyKeys(position, maxKeys);
      keyClass = classifyKey(body, position + 1, keyEnd, escaped);
      if (keyClass === PROTO_KEY) throw forbiddenKey(position, '__proto__');
      if (keyClass === PROTOTYPE_KEY && container === CONSTRUCTOR_OBJECT) {
        throw forbiddenKey(position, 'constructor.prototype');
      }
      if (depth === 1 && !members.addKey(position + 1, keyEnd, escaped)) {
        throw duplicateKey(position, decodeKey(body, position + 1, keyEnd));
      }
      position = keyEnd + 1;
      if (position < length && body[position]! <= 0x20) position = skipWhitespace(body, position);
      if (position >= length || body[position] !== 0x3a) throw malformed(body, position, "':' after a key");
      position++;
      if (position < length && body[position]! <= 0x20) position = skipWhitespace(body, position);
      if (depth === 1) valueStart = position;
    }

    const first = position < length ? body[position]! : 0;
    if (first === 0x22) {
      const found = scanString(body, view, position + 1);
      const end = found < 0 ? ~found : found;
      if (end - position > longStringBytes) members.longStrings.push(position + 1, end);
      position = end + 1;
    } else if (first === 0x7b || first === 0x5b) {
      if (depth >= maxDepth) throw tooDeep(position, maxDepth);
      position++;
      if (position < length && body[position]! <= 0x20) position = skipWhitespace(body, position);
      // Both closing brackets are two above the bracket that they close.
      if (position < length && body[position] === first + 2) {
        position++;
        if (depth === 0) return finish(body, position, members);
      } else {
        containers[depth++] = container;
        container = first === 0x5b ? ARRAY : keyClass === CONSTRUCTOR_KEY ? CONSTRUCTOR_OBJECT : OBJECT;
        continue;
      }
    } else if (first >= 0x31 && first <= 0x39) {
      do position++;
      while (position < length && body[position]! >= 0x30 && body[position]! <= 0x39);
      if (position < length && (body[position] === 0x2e || (body[position]! | 0x20) === 0x65)) {
        position = scanFraction(body, position);
      }
    } else if (first === 0x30 || first === 0x2d) {
      position = scanNumber(body, position);
    } else if (first === 0x74) {
      position = scanWord(body, position, 'true');
    } else if (first === 0x66) {
      position = scanWord(body, position, 'false');
    } else if (first === 0x6e) {
      position = scanWord(body, position, 'null');
    } else {
      throw malformed(body, position, 'a value');
    }

    // The element is whole: close whatever ends with it.
    for (;;) {
      if (depth === 1) members.endValue(valueStart, position);
      if (position < length && body[position]! <= 0x20) position = skipWhitespace(body, position);
      const next = position < length ? body[position]! : 0;
      if (next === 0x2c) {
        position++;
        if (position < length && body[position]! <= 0x20) position = skipWhitespace(body, position);
        break;
      }
      if (next !== (container === ARRAY ? 0x5d : 0x7d)) {
        throw malformed(body, position, container === ARRAY ? "',' or ']'" : "',' or '}'");
      }
      position++;
      container = containers[--depth]!;
      if (depth === 0) return finish(body, position, members);
    }
  }
}

function toBound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new TypeError(`scanJsonObject: ${name} must be a positive safe integer, not ${String(value)}`);
}

function findRootObject(body: Uint8Array, bodyStart: number): number {
  const position = skipWhitespace(body, bodyStart);
  const byte = body[position];
  if (byte === 0x7b) return position;
  if (byte === undefined) throw malformed(body, position, 'a JSON object');
  if (!'["-0123456789tfn'.includes(String.fromCharCode(byte)))
    throw malformed(body, position, 'a JSON object');
  const message = `The JSON document must be an object: start it with "{" (found '${String.fromCharCode(byte)}').`;
  throw new JsonScanError('not_an_object', position, message);
}

/** `position` is after the closing brace of the root object. */
function finish(body: Uint8Array, position: number, members: MemberTable): JsonObjectIndex {
  members.objectEnd = position - 1;
  const rest = skipWhitespace(body, position);
  if (rest < body.length) throw malformed(body, rest, 'nothing after the closing brace');
  return members;
}

function tooDeep(offset: number, maxDepth: number): JsonScanError {
  const message = `The JSON document nests deeper than ${maxDepth} levels at byte ${offset}: flatten it.`;
  return new JsonScanError('too_deep', offset, message);
}

function tooManyKeys(offset: number, maxKeys: number): JsonScanError {
  const message = `The JSON document has more than ${maxKeys} keys at byte ${offset}: send fewer.`;
  return new JsonScanError('too_many_keys', offset, message);
}

function duplicateKey(offset: number, key: string): JsonScanError {
  const message = `The key ${quoteExcerpt(key)} is there a second time at byte ${offset}: send each top-level key once.`;
  return new JsonScanError('duplicate_key', offset, message);
}

function forbiddenKey(offset: number, path: string): JsonScanError {
  return new JsonScanError(
    'forbidden_key',
    offset,
    `The key "${path}" at byte ${offset} is not allowed: remove it.`,
  );
}
