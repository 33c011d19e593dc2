import { decodeKey } from './object-index.ts';

/** A key that no rule about prototypes concerns. */
export const ORDINARY_KEY = 0;
/** `__proto__`: refused wherever it stands. */
export const PROTO_KEY = 1;
/** `constructor`: refused when its value has a `prototype`. */
export const CONSTRUCTOR_KEY = 2;
/** `prototype`: refused below a `constructor`. */
export const PROTOTYPE_KEY = 3;

const encoder = new TextEncoder();
const PROTO = encoder.encode('__proto__');
const CONSTRUCTOR = encoder.encode('constructor');
const PROTOTYPE = encoder.encode('prototype');
/** The bytes of `constructor` with every character written as `\uXXXX`: no longer key can decode to one of ours. */
const LONGEST_SPELLING = 6 * CONSTRUCTOR.length;

/** Which of the keys above stands between `start` and `end` (its quotes left out). */
export function classifyKey(body: Uint8Array, start: number, end: number, escaped: boolean): number {
  const length = end - start;
  if (escaped) return length <= LONGEST_SPELLING ? classifyName(decodeKey(body, start, end)) : ORDINARY_KEY;
  if (length === 9) {
    if (hasBytes(body, start, PROTO)) return PROTO_KEY;
    if (hasBytes(body, start, PROTOTYPE)) return PROTOTYPE_KEY;
  } else if (length === 11 && hasBytes(body, start, CONSTRUCTOR)) {
    return CONSTRUCTOR_KEY;
  }
  return ORDINARY_KEY;
}

function classifyName(name: string): number {
  if (name === '__proto__') return PROTO_KEY;
  if (name === 'constructor') return CONSTRUCTOR_KEY;
  return name === 'prototype' ? PROTOTYPE_KEY : ORDINARY_KEY;
}

function hasBytes(body: Uint8Array, start: number, expected: Uint8Array): boolean {
  for (let index = 0; index < expected.length; index++) {
    if (body[start + index] !== expected[index]) return false;
  }
  return true;
}
