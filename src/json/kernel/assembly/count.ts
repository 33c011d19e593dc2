import { bodyAt, cacheNamesAt, cacheWriteAt, longsAt, mediaNamesAt, textNamesAt } from '../layout';
import { digitBytes, leastBytes, perContainer, perName } from '../weights';
import { endAll, endOfText, none, notMine, placeIn, skipSpace } from './reading';
import { addUp, sample, seedPlaces } from './text-tokens';

/**
 * Estimates the tokens of the document in memory as `countBodyTokens` does, and stores what it says about a cache. The
 * document must have been scanned, and `longsAt` must hold its long strings.
 *
 * @param seed where `places` begin, never 0
 * @returns the tokens, not rounded, or `notMine`
 */
export function count(length: i32, seed: u32): f64 {
  seedPlaces(seed);
  const end: i32 = bodyAt + length;
  endAll(end);
  let cacheWrite: i32 = 0;
  let tokens: f64 = 0;
  let long: i32 = longsAt;
  /** The name of the next value, and its length; `none` for elements of arrays. */
  let name = none;
  let nameLength: i32 = 0;
  let depth: i32 = 0;
  /** The depth of the container below which everything is text; 0 outside of those. */
  let textDepth: i32 = 0;
  let p: i32 = bodyAt;
  while (p < end) {
    const byte: i32 = load<u8>(p);
    if (byte === 0x22) {
      const text = p + 1;
      const isLong = load<u32>(long) + bodyAt === text;
      if (isLong) {
        p = load<u32>(long, 4) + bodyAt;
        long += 8;
      } else {
        p = endOfText(text);
        if (p === none) return notMine;
      }
      const close = p;
      p = skipSpace(p + 1);
      if (load<u8>(p) === 0x3a) {
        name = text;
        nameLength = close - text;
        tokens += perName;
        continue;
      }
      if (name !== none) {
        if (textDepth === 0 && placeIn(mediaNamesAt, name, nameLength) !== 0) return notMine;
        // "ttl" and "1h"
        if (nameLength === 3 && (load<u32>(name) & 0xff_ffff) === 0x6c_7474) {
          if (cacheWrite !== 0 && close - text === 2 && load<u16>(text) === 0x6831) cacheWrite = 2;
        }
        name = none;
      }
      tokens += isLong ? sample(text, close) : max(addUp(text, close), f64(close - text) / leastBytes);
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++;
      if (name !== none) {
        if (placeIn(cacheNamesAt, name, nameLength) !== 0) cacheWrite = max(cacheWrite, 1);
        else if (textDepth === 0 && depth > 2 && placeIn(textNamesAt, name, nameLength) !== 0)
          textDepth = depth;
        name = none;
      }
      tokens += perContainer;
      p++;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (textDepth === depth) textDepth = 0;
      depth--;
      p++;
    } else if (byte > 0x20 && byte !== 0x2c && byte !== 0x3a) {
      // a number or a word; the plus of an exponent is one by itself
      const from = p;
      do {
        p++;
      } while (load<u8>(p) > 0x2c && load<u8>(p) !== 0x7d && load<u8>(p) !== 0x5d && byte > 0x2c);
      tokens += ceil(f64(p - from) / digitBytes);
      name = none;
    } else {
      p++;
    }
  }
  store<u32>(cacheWriteAt, cacheWrite);
  return tokens;
}
