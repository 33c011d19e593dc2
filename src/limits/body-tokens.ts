import { sharedKernel, type TokenCount } from '../json/kernel/kernel.ts';
import { mediaNames, textNames } from '../json/kernel/tables.ts';
import { digitBytes, perContainer, perName } from '../json/kernel/weights.ts';
import { MemberTable } from '../json/object-index.ts';
import type { JsonObjectIndex } from '../json/scan.ts';
import { countMediaTokens, type MediaKind, mediaKindOf } from './media-tokens.ts';
import { SamplePlaces, toPlace } from './sample-places.ts';
import { countLongTextTokens, countTextTokens } from './text-tokens.ts';

/** What a request's body says about its input. */
export interface BodyTokens {
  readonly inputTokens: number;
  /** Which cache the caller asks the provider to write the prompt to; undefined when it asks for none. */
  readonly cacheWrite: '5m' | '1h' | undefined;
}

/**
 * Input tokens of a JSON body that has passed `scanJsonObject`: texts by what they are made of, braces and names as the
 * few tokens they become, media by kind and size and never as the text that encodes them. One pass, no recursion.
 *
 * @param index of this body: long strings are counted from parts of them. @default none, every byte is read
 * @param seed decides which parts: the same for the same request, and unknown to whoever wrote it
 */
export function countBodyTokens(body: Uint8Array, index?: JsonObjectIndex, seed = ''): BodyTokens {
  const kernel = index instanceof MemberTable ? sharedKernel() : undefined;
  const { tokens, cacheWrite } =
    kernel?.count(body, index as MemberTable, toPlace(seed)) ?? countByScript(body, index?.longStrings, seed);
  return { inputTokens: Math.ceil(tokens), cacheWrite };
}

/** The same without the kernel, not rounded: it counts media, and is the reference for the kernel. */
export function countByScript(body: Uint8Array, longStrings: readonly number[] = [], seed = ''): TokenCount {
  const places = longStrings.length > 0 ? new SamplePlaces(seed) : undefined;
  let tokens = 0;
  let nextLong = 0;
  let cacheWrite: TokenCount['cacheWrite'];
  // a byte order mark is not part of the text
  let position = body[0] === 0xef ? 3 : 0;
  let nameStart = 0;
  let nameEnd = 0;
  /** For each open container: offsets of its name, and whether all below it is text (arguments of tools, schemas). */
  const names: number[] = [];
  const texts: boolean[] = [];
  let isText = false;
  let hasName = false;
  const length = body.length;
  while (position < length) {
    const byte = body[position] as number;
    if (byte === 0x22) {
      const start = position + 1;
      const isLong = longStrings[nextLong] === start;
      const end = isLong ? (longStrings[nextLong + 1] as number) : endOfString(body, start);
      if (isLong) nextLong += 2;
      position = end + 1;
      if (body[position] === 0x3a) {
        nameStart = start;
        nameEnd = end;
        hasName = true;
        tokens += perName;
        continue;
      }
      if (!hasName && isNameBefore(body, position)) {
        nameStart = start;
        nameEnd = end;
        hasName = true;
        tokens += perName;
        continue;
      }
      const media = hasName && !isText ? mediaOf(body, start, end, nameStart, nameEnd, names) : undefined;
      if (media !== undefined) tokens += media;
      else if (isLong && places) tokens += countLongTextTokens(body, start, end, places);
      else tokens += countTextTokens(body, start, end);
      if (hasName && is(body, nameStart, nameEnd, 'ttl') && is(body, start, end, '1h')) {
        if (cacheWrite !== undefined) cacheWrite = '1h';
      }
      hasName = false;
    } else if (byte === 0x7b || byte === 0x5b) {
      names.push(hasName ? nameStart : -1, hasName ? nameEnd : -1);
      texts.push(isText);
      if (hasName) {
        if (is(body, nameStart, nameEnd, 'cache_control')) cacheWrite ??= '5m';
        else if (texts.length > 2 && isTextBelow(body, nameStart, nameEnd)) isText = true;
      }
      hasName = false;
      tokens += perContainer;
      position++;
    } else if (byte === 0x7d || byte === 0x5d) {
      names.pop();
      names.pop();
      isText = texts.pop() ?? false;
      hasName = false;
      position++;
    } else if (byte > 0x20 && byte !== 0x2c && byte !== 0x3a) {
      // a number or a word
      const start = position;
      while (
        position < length &&
        (body[position] as number) > 0x2c &&
        body[position] !== 0x7d &&
        body[position] !== 0x5d
      )
        position++;
      if (position === start) position++;
      tokens += Math.ceil((position - start) / digitBytes);
      hasName = false;
    } else {
      position++;
    }
  }
  return { tokens, cacheWrite };
}

/** Whether a colon follows after white space. */
function isNameBefore(body: Uint8Array, from: number): boolean {
  let position = from;
  while ((body[position] as number) <= 0x20) position++;
  return body[position] === 0x3a;
}

/** Tokens of a string that encodes media, by its name and that of its container; undefined for any other string. */
function mediaOf(
  body: Uint8Array,
  start: number,
  end: number,
  nameStart: number,
  nameEnd: number,
  names: readonly number[],
): number | undefined {
  const size = nameEnd - nameStart;
  // the names below have these lengths; nearly all others end here
  if (size < 3 || size > 9 || size === 5 || size === 6) return undefined;
  const name = nameOfMedia(body, nameStart, nameEnd);
  if (name === undefined) return undefined;
  if (name === 'data') {
    const kind = kindOfParent(body, names, start);
    return kind === undefined || !isEncoded(body, start, end)
      ? undefined
      : countMediaTokens(kind, decoded(start, end));
  }
  if (name === 'file_id') return countMediaTokens('file', undefined);
  if (name === 'fileUri' || name === 'file_uri') return countMediaTokens(typeBefore(body, start), undefined);
  if (!is(body, start, start + 5, 'data:')) {
    if (name === 'file_data') {
      return isEncoded(body, start, end) ? countMediaTokens('file', decoded(start, end)) : undefined;
    }
    return name === 'image_url' || isAddressOfMedia(body, names)
      ? countMediaTokens('image', undefined)
      : undefined;
  }
  const head = latin1(body, start, Math.min(end, start + 100));
  const comma = head.indexOf(',');
  if (comma < 0 || !head.slice(0, comma).endsWith(';base64') || !isEncoded(body, start + comma + 1, end))
    return undefined;
  return countMediaTokens(mediaKindOf(head), decoded(start + comma, end));
}

/** `source: { media_type, data }`, `inlineData: { mimeType, data }`, `input_audio: { data }`. */
function kindOfParent(body: Uint8Array, names: readonly number[], start: number): MediaKind | undefined {
  const from = names[names.length - 2] as number;
  const to = names[names.length - 1] as number;
  if (from < 0) return undefined;
  const parent = latin1(body, from, to);
  if (parent === 'input_audio') return 'audio';
  if (parent !== 'source' && parent !== 'inlineData' && parent !== 'inline_data') return undefined;
  return typeBefore(body, start);
}

/** The media type is beside the data, nearly always before it. */
function typeBefore(body: Uint8Array, start: number): MediaKind {
  const before = latin1(body, Math.max(0, start - 120), start);
  const type = /.*(?:media_type|mime_?[tT]ype)"\s*:\s*"([a-z]+\/)/s.exec(before)?.[1];
  return type === undefined ? 'file' : mediaKindOf(type);
}

/** `image_url: { url }`, `source: { url }`. */
function isAddressOfMedia(body: Uint8Array, names: readonly number[]): boolean {
  const from = names[names.length - 2] as number;
  const to = names[names.length - 1] as number;
  return from >= 0 && (is(body, from, to, 'image_url') || is(body, from, to, 'source'));
}

function nameOfMedia(body: Uint8Array, start: number, end: number): (typeof mediaNames)[number] | undefined {
  for (let index = 0; index < mediaNames.length; index++) {
    if (is(body, start, end, mediaNames[index] as string)) return mediaNames[index];
  }
  return undefined;
}

/** Whether a string is base64, by its beginning and end: whatever is in between still counts by its size. */
function isEncoded(body: Uint8Array, start: number, end: number): boolean {
  return (
    encoded.test(latin1(body, start, Math.min(end, start + 256))) &&
    encoded.test(latin1(body, Math.max(start, end - 256), end))
  );
}

const encoded = /^[A-Za-z0-9+/_=-]*$/;

function decoded(start: number, end: number): number {
  return Math.ceil(((end - start) * 3) / 4);
}

/** Names of what a model reads as text, whatever it looks like. */
function isTextBelow(body: Uint8Array, start: number, end: number): boolean {
  for (let index = 0; index < textNames.length; index++) {
    if (is(body, start, end, textNames[index] as string)) return true;
  }
  return false;
}

function is(body: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let index = 0; index < text.length; index++) {
    if (body[start + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

function latin1(body: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...body.subarray(start, end));
}

/** Offset of the quote that closes the string whose first byte is at `index`. */
function endOfString(body: Uint8Array, index: number): number {
  let end = index;
  // most strings are names and words, and a call into the runtime costs more than reading their bytes
  for (const near = Math.min(body.length, index + 24); end < near && body[end] !== 0x22; ) end++;
  for (;;) {
    if (body[end] !== 0x22) end = body.indexOf(0x22, end);
    if (end < 0) return body.length;
    let slashes = 0;
    while (end - slashes > index && body[end - slashes - 1] === 0x5c) slashes++;
    if (slashes % 2 === 0) return end;
    end++;
  }
}
