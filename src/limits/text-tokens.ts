import * as tables from '../json/kernel/tables.ts';
import * as weights from '../json/kernel/weights.ts';
import type { SamplePlaces } from './sample-places.ts';

// names of this module: loaders that do not bundle look up imported names on each use, and this runs for every byte
const { kinds } = tables;
const {
  backslash,
  behindCapitalsBytes,
  capitalBytes,
  continuation,
  digit,
  digitBytes,
  leastBytes,
  lower,
  ofThree,
  ofTwo,
  partBytes,
  perBreak,
  perEscape,
  perFour,
  perRepeat,
  perSign,
  perThree,
  perTwo,
  perUnicode,
  sign,
  space,
  strideBytes,
  upper,
  windowBytes,
  wordBytes,
} = weights;

export { leastBytes };

/**
 * Tokens of a text in a JSON string, by what it is made of: words, digits, punctuation, white space, scripts. An
 * estimate for any BPE tokenizer. Reads each byte once, whatever the text is; never less than a token for each
 * `leastBytes` bytes, so that no text is cheaper than the longest tokens that vocabularies have.
 *
 * @param start offset after the opening quote
 * @param end offset of the closing quote
 */
export function countTextTokens(bytes: Uint8Array, start: number, end: number): number {
  return Math.max(addUp(bytes, start, end), (end - start) / leastBytes);
}

function addUp(bytes: Uint8Array, start: number, end: number): number {
  let tokens = 0;
  let position = start;
  while (position < end) {
    const from = position;
    const kind = kinds[bytes[position] as number] as number;
    position++;
    if (kind === lower || kind === upper) {
      if (kind === upper) while (position < end && kinds[bytes[position] as number] === upper) position++;
      const capitals = kind === upper ? position - from : 0;
      while (position < end && kinds[bytes[position] as number] === lower) position++;
      tokens += wordTokens(position - from, capitals);
    } else if (kind === space) {
      while (position < end && bytes[position] === 0x20) position++;
      // one before a word or a sign is part of it, several are a token of their own
      if (position - from > 1) tokens += 1;
      else if (position < end && kinds[bytes[position] as number] === digit) tokens += 1;
    } else if (kind === digit) {
      while (position < end && kinds[bytes[position] as number] === digit) position++;
      tokens += Math.ceil((position - from) / digitBytes);
    } else if (kind === sign) {
      const first = bytes[from];
      while (position < end && bytes[position] === first) position++;
      tokens += perSign + (position - from - 1) * perRepeat;
    } else if (kind === backslash) {
      const escaped = bytes[position];
      position++;
      if (escaped === 0x6e || escaped === 0x74 || escaped === 0x72) {
        while (
          position < end &&
          bytes[position] === 0x5c &&
          (bytes[position + 1] === 0x6e || bytes[position + 1] === 0x74)
        )
          position += 2;
        tokens += perBreak;
      } else if (escaped === 0x75) {
        position += 4;
        tokens += perUnicode;
      } else {
        tokens += perEscape;
      }
    } else if (kind !== continuation) {
      tokens += kind === ofTwo ? perTwo : kind === ofThree ? perThree : perFour;
    }
  }
  return tokens;
}

/**
 * The same for a text of many kilobytes, from a thirteenth of it: a window out of each two kilobytes. Reading all of a
 * coding agent's session takes longer than everything else that is done for it. Where the windows lie depends on the
 * request's id, so that whoever writes the text cannot know: on average every byte is read equally often.
 */
export function countLongTextTokens(
  bytes: Uint8Array,
  start: number,
  end: number,
  places: SamplePlaces,
): number {
  const length = end - start;
  const windows = Math.ceil(length / strideBytes);
  const stride = length / windows;
  const width = Math.min(windowBytes, length);
  let tokens = 0;
  for (let window = 0; window < windows; window++) {
    const from = start + Math.floor((window + places.next()) * stride);
    const over = from + width - end;
    if (over <= 0) tokens += addUp(bytes, from, from + width);
    // the end wraps to the beginning: else both would be read less often than the rest
    else tokens += addUp(bytes, from, end) + addUp(bytes, start, start + over);
  }
  return Math.max((tokens * length) / (windows * width), length / leastBytes);
}

/** An everyday word is one token; longer words and capitals are made of parts. */
function wordTokens(length: number, capitals: number): number {
  if (capitals > 1)
    return Math.max(1, capitals / capitalBytes) + Math.max(0, length - capitals) / behindCapitalsBytes;
  return length <= wordBytes ? 1 : 1 + (length - wordBytes) / partBytes;
}
