// Two passes over a JSON body, sixteen bytes at a time. This is AssemblyScript: `npm run build:kernel` makes `../bytes.ts` of it.
//
// The kernel answers for ordinary documents, and "not mine" for all others: what is wrong with a document and where is for
// `../../scan.ts` to say, which begins again. So nothing has to be exact here but a yes.
//
// The body lies at `bodyAt` with `paddingBytes` zeros behind it. A NUL byte is nowhere allowed, so every loop over a document
// ends there at the latest and none asks where the body ends. What reads sixteen bytes at once begins within the body, or
// at the first zero, and so never sees what a longer body left.

import {
  bodyAt,
  cacheNamesAt,
  cacheWriteAt,
  containersAt,
  escapesAt,
  keyNamesAt,
  kindsAt,
  longsAt,
  mediaNamesAt,
  mostDepth,
  mostKeyBytes,
  mostMembers,
  nameBytes,
  resultsAt,
  spansAt,
  textNamesAt,
} from '../layout';
import {
  backslash,
  behindCapitalsBytes,
  capitalBytes,
  digit,
  digitBytes,
  leastBytes,
  longStringBytes,
  lower,
  ofFour,
  ofThree,
  ofTwo,
  partBytes,
  perBreak,
  perContainer,
  perEscape,
  perFour,
  perName,
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
} from '../weights';

/** What a scan and a count answer in place of a number. */
const notMine = -1;
/** What functions answer that look for an address and do not find what they should. */
const none = 0;

// What a scan is inside of.
const array = 0;
const object = 1;
/** An object that is the value of a key `constructor`. */
const constructorObject = 2;

// Places in the list of keys at `keyNamesAt`.
const protoKey = 1;
const constructorKey = 2;
const prototypeKey = 3;

/** Every sixteen bytes of strings, one over the other: a bit at the top says that one of them was no ASCII. */
let seen: v128 = i8x16.splat(0);

/**
 * Checks the document of `length` bytes as `scanJsonObject` does, and leaves what it found in memory.
 *
 * @returns the number of members of the root object, or `notMine`
 */
export function scan(length: i32, maxDepth: i32, maxKeys: i32): i32 {
  const end: i32 = bodyAt + length;
  v128.store(end, i8x16.splat(0));
  seen = i8x16.splat(0);
  const deepest = min(maxDepth, mostDepth);
  let keys: i32 = 0;
  let span: i32 = spansAt;
  let long: i32 = longsAt;
  let container = object;
  let depth: i32 = 0;
  let p = skipSpace(bodyAt);
  if (load<u8>(p) !== 0x7b) return notMine;
  store<u32>(resultsAt, p - bodyAt);

  while (true) {
    // One element a round. The root is an element without a key; it is the only one at depth 0.
    let inside = object;
    if (depth > 0 && container !== array) {
      if (load<u8>(p) !== 0x22) return notMine;
      const name = p + 1;
      p = endOfName(name);
      if (p === none) return notMine;
      keys++;
      if (keys > maxKeys) return notMine;
      const bytes: i32 = p - name;
      if (bytes === 9 || bytes === 11) {
        const place = placeIn(keyNamesAt, name, bytes);
        if (place === protoKey || (place === prototypeKey && container === constructorObject)) return notMine;
        if (place === constructorKey) inside = constructorObject;
      }
      if (depth === 1) {
        if (bytes > mostKeyBytes || span === spansAt + mostMembers * 16) return notMine;
        if (isKnown(name, bytes, span)) return notMine;
        store<u32>(span, name - bodyAt);
        store<u32>(span, p - bodyAt, 4);
      }
      p = skipSpace(p + 1);
      if (load<u8>(p) !== 0x3a) return notMine;
      p = skipSpace(p + 1);
      if (depth === 1) store<u32>(span, p - bodyAt, 8);
    }

    const first: i32 = load<u8>(p);
    if (first === 0x22) {
      const text = p + 1;
      p = endOfText(text);
      if (p === none) return notMine;
      if (p - text >= longStringBytes) {
        store<u32>(long, text - bodyAt);
        store<u32>(long, p - bodyAt, 4);
        long += 8;
      }
      p++;
    } else if (first === 0x7b || first === 0x5b) {
      if (depth >= deepest) return notMine;
      p = skipSpace(p + 1);
      // both closing brackets are two above the bracket that they close
      if (load<u8>(p) === first + 2) {
        p++;
      } else {
        store<u8>(containersAt + depth, container);
        depth++;
        container = first === 0x5b ? array : inside;
        continue;
      }
    } else if (load<u32>(p) === 0x65757274 || load<u32>(p) === 0x6c6c756e) {
      // "true" and "null"
      p += 4;
    } else if (first === 0x66 && load<u32>(p, 1) === 0x65736c61) {
      // "f" and "alse"
      p += 5;
    } else {
      p = endOfNumber(p);
      if (p === none) return notMine;
    }

    // The element is whole: close whatever ends with it.
    while (depth > 0) {
      if (depth === 1) {
        store<u32>(span, p - bodyAt, 12);
        span += 16;
      }
      p = skipSpace(p);
      const next: i32 = load<u8>(p);
      if (next === 0x2c) break;
      if (next !== (container === array ? 0x5d : 0x7d)) return notMine;
      p++;
      depth--;
      container = load<u8>(containersAt + depth);
    }
    if (depth === 0) break;
    p = skipSpace(p + 1);
  }

  if (skipSpace(p) !== end) return notMine;
  store<u32>(resultsAt, p - 1 - bodyAt, 4);
  store<u32>(resultsAt, (long - longsAt) >> 3, 8);
  store<u32>(resultsAt, i8x16.bitmask(seen) === 0 ? 1 : 0, 12);
  store<u32>(long, 0);
  return (span - spansAt) >> 4;
}

function skipSpace(p: i32): i32 {
  while (true) {
    const byte: i32 = load<u8>(p);
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return p;
    p++;
  }
}

/** Where the closing quote of the key that begins at `p` is: `none` where a key has escapes. */
function endOfName(p: i32): i32 {
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

/** Where the closing quote of the string that begins at `p` is. */
function endOfText(p: i32): i32 {
  while (true) {
    const bytes = v128.load(p);
    seen = v128.or(seen, bytes);
    let marks: i32 = i8x16.bitmask(marksIn(bytes));
    let step = 16;
    while (marks !== 0) {
      const at: i32 = ctz(marks);
      const mark: i32 = load<u8>(p + at);
      if (mark === 0x22) return p + at;
      if (mark !== 0x5c) return none;
      if (load<u8>(escapesAt + load<u8>(p + at, 1)) !== 0) {
        if (at === 15) step = 17;
        // the backslash and what it escapes
        marks &= ~(3 << at);
      } else {
        const behind = endOfUnicode(p + at);
        if (behind === none) return none;
        step = behind - p;
        marks = 0;
      }
    }
    p += step;
  }
}

/** Quotes, backslashes, and control characters, which are not allowed. */
function marksIn(bytes: v128): v128 {
  return v128.or(
    v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c))),
    i8x16.lt_u(bytes, i8x16.splat(0x20)),
  );
}

/** What follows the `\uXXXX` at `p`, or the pair of them: `none` for half a pair and for NUL. */
function endOfUnicode(p: i32): i32 {
  const unit = readUnicode(p);
  if (unit <= 0) return none;
  if ((unit & 0xf800) !== 0xd800) return p + 6;
  return unit < 0xdc00 && (readUnicode(p + 6) & 0xfc00) === 0xdc00 ? p + 12 : none;
}

/** The number in the `\uXXXX` at `p`; -65,536, which is no surrogate, where that is not there. */
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

function endOfNumber(p: i32): i32 {
  if (load<u8>(p) === 0x2d) p++;
  if (load<u8>(p) === 0x30) {
    p++;
  } else {
    const from = p;
    p = endOfDigits(p);
    if (p === from) return none;
  }
  if (load<u8>(p) === 0x2e) {
    const from = p + 1;
    p = endOfDigits(from);
    if (p === from) return none;
  }
  if ((load<u8>(p) | 0x20) === 0x65) {
    p++;
    if (load<u8>(p) === 0x2b || load<u8>(p) === 0x2d) p++;
    const from = p;
    p = endOfDigits(p);
    if (p === from) return none;
  }
  return p;
}

function isDigit(byte: i32): bool {
  return u32(byte - 0x30) < 10;
}

function endOfDigits(p: i32): i32 {
  while (isDigit(load<u8>(p))) p++;
  return p;
}

/** Whether one of the keys in `spansAt` up to `until` is the one of so many bytes at `name`. */
function isKnown(name: i32, bytes: i32, until: i32): bool {
  for (let span: i32 = spansAt; span < until; span += 16) {
    const other: i32 = load<u32>(span);
    if (load<u32>(span, 4) - other === bytes && memory.compare(other + bodyAt, name, bytes) === 0)
      return true;
  }
  return false;
}

/** Where a sampled text is looked at next: xorshift32, as `SamplePlaces` has it. */
let places: u32 = 1;

/**
 * Estimates the tokens of the document that lies in memory as `countBodyTokens` does, and leaves what it says of a cache. The
 * document must have been scanned, and `longsAt` must hold its long strings.
 *
 * @param seed where `places` begin, never 0
 * @returns the tokens, not rounded, or `notMine`
 */
export function count(length: i32, seed: u32): f64 {
  places = seed;
  const end: i32 = bodyAt + length;
  v128.store(end, i8x16.splat(0));
  let cacheWrite: i32 = 0;
  let tokens: f64 = 0;
  let long: i32 = longsAt;
  /** The name that the next value has, and how long it is; `none` for elements of arrays. */
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

/**
 * Where in a list of names the one at `name` is, from 1 on; 0 where it is not there. Names are compared as the sixteen bytes that
 * they are with zeros behind them.
 */
function placeIn(list: i32, name: i32, length: i32): i32 {
  if (length > nameBytes) return 0;
  const lanes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const wanted = v128.and(v128.load(name), i8x16.lt_u(lanes, i8x16.splat(<i8>length)));
  for (let place = 1; load<u8>(list) !== 0; place++) {
    if (!v128.any_true(v128.xor(v128.load(list), wanted))) return place;
    list += nameBytes;
  }
  return 0;
}

/** Tokens of a long text, from a window out of each stride. */
function sample(start: i32, end: i32): f64 {
  const length: i32 = end - start;
  const windows = ceil(f64(length) / strideBytes);
  const stride = f64(length) / windows;
  let tokens: f64 = 0;
  for (let window: f64 = 0; window < windows; window++) {
    places ^= places << 13;
    places ^= places >> 17;
    places ^= places << 5;
    const from: i32 = start + i32((window + f64(places) / 4_294_967_296) * stride);
    const to = from + windowBytes;
    // the end is followed by the beginning
    tokens += to <= end ? addUp(from, to) : addUp(from, end) + addUp(start, start + (to - end));
  }
  return max((tokens * f64(length)) / (windows * windowBytes), f64(length) / leastBytes);
}

/** Tokens of the bytes from `p` up to `end`, by what they are. */
function addUp(p: i32, end: i32): f64 {
  let tokens: f64 = 0;
  while (p < end) {
    const from = p;
    const byte: i32 = load<u8>(p);
    const kind: i32 = load<u8>(kindsAt + byte);
    p++;
    if (kind === lower || kind === upper) {
      if (kind === upper) while (p < end && u32(load<u8>(p) - 0x41) < 26) p++;
      const capitals: i32 = kind === upper ? p - from : 0;
      p = endOfLower(p, end);
      const length: i32 = p - from;
      if (capitals > 1)
        tokens += max<f64>(1, f64(capitals) / capitalBytes) + f64(length - capitals) / behindCapitalsBytes;
      else tokens += length <= wordBytes ? 1 : 1 + f64(length - wordBytes) / partBytes;
    } else if (kind === space) {
      while (p < end && load<u8>(p) === 0x20) p++;
      if (p - from > 1 || (p < end && isDigit(load<u8>(p)))) tokens += 1;
    } else if (kind === sign) {
      while (p < end && load<u8>(p) === byte) p++;
      tokens += perSign + f64(p - from - 1) * perRepeat;
    } else if (kind === digit) {
      while (p < end && isDigit(load<u8>(p))) p++;
      tokens += ceil(f64(p - from) / digitBytes);
    } else if (kind === backslash) {
      const escaped: i32 = load<u8>(p);
      p++;
      if (escaped === 0x6e || escaped === 0x74 || escaped === 0x72) {
        // "\n" and "\t" that follow are part of it
        while (p < end && (load<u16>(p) === 0x6e5c || load<u16>(p) === 0x745c)) p += 2;
        tokens += perBreak;
      } else if (escaped === 0x75) {
        p += 4;
        tokens += perUnicode;
      } else {
        tokens += perEscape;
      }
    } else if (kind === ofTwo) {
      tokens += perTwo;
    } else if (kind === ofThree) {
      tokens += perThree;
    } else if (kind === ofFour) {
      tokens += perFour;
    }
  }
  return tokens;
}

/** The first byte from `p` on that is no small letter, or `end`. */
function endOfLower(p: i32, end: i32): i32 {
  while (p < end) {
    const others: i32 = ~i8x16.bitmask(
      i8x16.lt_u(i8x16.sub(v128.load(p), i8x16.splat(0x61)), i8x16.splat(26)),
    );
    // sixteen bits tell of sixteen bytes
    if ((others & 0xffff) !== 0) return min(p + ctz(others), end);
    p += 16;
  }
  return end;
}
