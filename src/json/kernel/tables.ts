import * as weights from './weights.ts';

/** The kind of text of each byte, as in `weights.ts`. */
export const kinds = new Uint8Array(256).map((_, byte) => {
  if (byte >= 0xf0) return weights.ofFour;
  if (byte >= 0xe0) return weights.ofThree;
  if (byte >= 0xc0) return weights.ofTwo;
  if (byte >= 0x80) return weights.continuation;
  if (byte >= 0x61 && byte <= 0x7a) return weights.lower;
  if (byte >= 0x41 && byte <= 0x5a) return weights.upper;
  if (byte >= 0x30 && byte <= 0x39) return weights.digit;
  if (byte === 0x20) return weights.space;
  return byte === 0x5c ? weights.backslash : weights.sign;
});

/** Keys that reach a prototype, in the order of their classes in `scan-key.ts`. */
export const keyNames = ['__proto__', 'constructor', 'prototype'] as const;

/** The container that asks for a prompt to be written to a cache. */
export const cacheNames = ['cache_control'] as const;

/** Containers whose content a model reads as text, whatever it looks like: arguments of tools, schemas. */
export const textNames = [
  'input',
  'args',
  'arguments',
  'parameters',
  'input_schema',
  'json_schema',
  'schema',
  'response',
] as const;

/** Strings that may encode media, or say where it is. */
export const mediaNames = [
  'url',
  'data',
  'file_id',
  'fileUri',
  'file_uri',
  'image_url',
  'file_data',
] as const;
