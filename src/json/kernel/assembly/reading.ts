// How both passes read a document.

import { escapesAt, nameBytes, paddingBytes } from '../layout';

/** What a scan and a count return instead of a number. */
export const notMine = -1;
/** What functions return that look for an address and do not find it. */
export const none = 0;

/** Every sixteen bytes of strings, ORed together: a top bit says that a byte was not ASCII. */
let seen: v128 = i8x16.splat(0);

/** Forgets the strings that were read before. */
export function forgetTexts(): void {
  seen = i8x16.splat(0);
}

/** Ends what is before `p` with zeros. */
export function endAll(p: i32): void {
  memory.fill(p, 0, paddingBytes);
}

/** Whether all strings read since `forgetTexts` were ASCII. */
export function sawOnlyAscii(): bool {
  return i8x16.bitmask(seen) === 0;
}

/** The first byte from `p` on that is not white space. */
export function skipSpace(p: i32): i32 {
  while (true) {
    const byte: i32 = load<u8>(p);
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return p;
    p++;
  }
}

/** Where the closing quote of the key that begins at `p` is: `none` if the key has escapes. */
export function endOfName(p: i32): i32 {
  while (true) {
    const bytes = v128.load(p);
    seen = v128.or(seen, bytes);
    const marks: i32 = i8x16.bitmask(marksIn(bytes));
    if (marks !== 0) {
      p += ctz(marks);
      return load<u8>(p) === 0x22 ? p : none;
    }
    p += 16;
  }
}

/**
 * Where the closing quote of the string is that begins or continues at `p`.
 *
 * @param escapes 1 if the byte at `p` is escaped by a backslash before it
 */
export function endOfText(p: i32, escapes: u64 = 0): i32 {
  // most strings are short
  const far = p + 4 * 16;
  while (p < far) {
    const bytes = v128.load(p);
    seen = v128.or(seen, bytes);
    const backslashes: u64 = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x5c)));
    let marks: u64 = i8x16.bitmask(marksIn(bytes));
    if ((backslashes | escapes) === 0) {
      if (marks !== 0) return endAt(p + i32(ctz(marks)));
      p += 16;
      continue;
    }
    // in a run of backslashes every second one is escaped: the sum carries from where a run begins to what follows it
    const starts: u64 = backslashes & ~escapes;
    const codes: u64 = (((starts << 1) | odd) - starts) ^ odd;
    const escaped: u64 = codes ^ (backslashes | escapes);
    // what is left are quotes and controls that nothing escapes, and rare or invalid escapes
    marks = ((marks & ~backslashes & ~escaped) | (escaped & ~i8x16.bitmask(lettersIn(bytes)))) & 0xffff;
    if (marks === 0) {
      escapes = ((codes & backslashes) >> 15) & 1;
      p += 16;
      continue;
    }
    const at: i32 = i32(ctz(marks));
    if (((escaped >> at) & 1) === 0) return endAt(p + at);
    p = endOfEscape(p + at);
    if (p === none) return none;
    escapes = 0;
  }
  return endOfLongText(p, escapes);
}

/**
 * The same, 64 bytes at a time, for a string that continues at `p`. Written out: calls within the loop would make it
 * half as fast again.
 */
function endOfLongText(p: i32, escapes: u64): i32 {
  const quote = i8x16.splat(0x22);
  const backslash = i8x16.splat(0x5c);
  const n = i8x16.splat(0x6e);
  const t = i8x16.splat(0x74);
  while (true) {
    const first = v128.load(p);
    const second = v128.load(p, 16);
    const third = v128.load(p, 32);
    const fourth = v128.load(p, 48);
    const least = i8x16.min_u(i8x16.min_u(first, second), i8x16.min_u(third, fourth));
    // no control is allowed, and the final zero is one
    if (v128.any_true(i8x16.lt_u(least, i8x16.splat(0x20)))) return endOfText(p, escapes);
    seen = v128.or(v128.or(seen, v128.or(first, second)), v128.or(third, fourth));
    const backslashes: u64 =
      u64(i8x16.bitmask(i8x16.eq(first, backslash))) |
      (u64(i8x16.bitmask(i8x16.eq(second, backslash))) << 16) |
      (u64(i8x16.bitmask(i8x16.eq(third, backslash))) << 32) |
      (u64(i8x16.bitmask(i8x16.eq(fourth, backslash))) << 48);
    const quotes: u64 =
      u64(i8x16.bitmask(i8x16.eq(first, quote))) |
      (u64(i8x16.bitmask(i8x16.eq(second, quote))) << 16) |
      (u64(i8x16.bitmask(i8x16.eq(third, quote))) << 32) |
      (u64(i8x16.bitmask(i8x16.eq(fourth, quote))) << 48);
    if ((backslashes | escapes) === 0) {
      if (quotes !== 0) return p + i32(ctz(quotes));
      p += 64;
      continue;
    }
    const starts: u64 = backslashes & ~escapes;
    const codes: u64 = (((starts << 1) | odd) - starts) ^ odd;
    const escaped: u64 = codes ^ (backslashes | escapes);
    const breaks: u64 =
      u64(i8x16.bitmask(v128.or(i8x16.eq(first, n), i8x16.eq(first, t)))) |
      (u64(i8x16.bitmask(v128.or(i8x16.eq(second, n), i8x16.eq(second, t)))) << 16) |
      (u64(i8x16.bitmask(v128.or(i8x16.eq(third, n), i8x16.eq(third, t)))) << 32) |
      (u64(i8x16.bitmask(v128.or(i8x16.eq(fourth, n), i8x16.eq(fourth, t)))) << 48);
    const stops: u64 = (quotes & ~escaped) | (escaped & ~(breaks | quotes | backslashes));
    if (stops === 0) {
      escapes = (codes & backslashes) >> 63;
      p += 64;
      continue;
    }
    const at: i32 = i32(ctz(stops));
    if (((escaped >> at) & 1) === 0) return p + at;
    p = endOfEscape(p + at);
    if (p === none) return none;
    escapes = 0;
  }
}

/** After the escape whose letter is at `p`. */
function endOfEscape(p: i32): i32 {
  const letter: i32 = load<u8>(p);
  if (letter === 0x75) return endOfUnicode(p - 1);
  return load<u8>(escapesAt + letter) !== 0 ? p + 1 : none;
}

/** Every second bit. */
const odd: u64 = ~(u64.MAX_VALUE / 3);

/** The address of a mark if it is a quote. */
function endAt(p: i32): i32 {
  return load<u8>(p) === 0x22 ? p : none;
}

/** What most escapes have after the backslash. */
function lettersIn(bytes: v128): v128 {
  return v128.or(
    v128.or(i8x16.eq(bytes, i8x16.splat(0x6e)), i8x16.eq(bytes, i8x16.splat(0x22))),
    v128.or(i8x16.eq(bytes, i8x16.splat(0x5c)), i8x16.eq(bytes, i8x16.splat(0x74))),
  );
}

/** Quotes, backslashes, and control characters, which are not allowed. */
function marksIn(bytes: v128): v128 {
  return v128.or(
    v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
    i8x16.lt_u(bytes, i8x16.splat(0x20)),
  );
}

/** After the `\uXXXX` at `p`, or the pair of them: `none` for half a pair and for NUL. */
function endOfUnicode(p: i32): i32 {
  const unit = readUnicode(p);
  if (unit <= 0) return none;
  if ((unit & 0xf800) !== 0xd800) return p + 6;
  return unit < 0xdc00 && (readUnicode(p + 6) & 0xfc00) === 0xdc00 ? p + 12 : none;
}

/** The number in the `\uXXXX` at `p`; -65,536, which is no surrogate, if there is none. */
function readUnicode(p: i32): i32 {
  if (load<u16>(p) !== 0x755c) return -65_536;
  let unit = 0;
  for (let index = 2; index < 6; index++) {
    const byte: i32 = load<u8>(p + index);
    const letter = byte | 0x20;
    if (isDigit(byte)) unit = unit * 16 + byte - 0x30;
    else if (letter >= 0x61 && letter <= 0x66) unit = unit * 16 + letter - 0x57;
    else return -65_536;
  }
  return unit;
}

/** Whether a byte is a digit of ASCII. */
export function isDigit(byte: i32): bool {
  return u32(byte - 0x30) < 10;
}

/**
 * The place in a list of names of the one at `name`, from 1 on; 0 if it is not there. Names are compared as sixteen
 * bytes, padded with zeros.
 */
export function placeIn(list: i32, name: i32, length: i32): i32 {
  if (length > nameBytes) return 0;
  const lanes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const wanted = v128.and(v128.load(name), i8x16.lt_u(lanes, i8x16.splat(<i8>length)));
  for (let place = 1; load<u8>(list) !== 0; place++) {
    if (!v128.any_true(v128.xor(v128.load(list), wanted))) return place;
    list += nameBytes;
  }
  return 0;
}
