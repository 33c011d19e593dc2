import { kindsAt } from '../layout';
import {
  backslash,
  behindCapitalsBytes,
  capitalBytes,
  digit,
  digitBytes,
  leastBytes,
  lower,
  ofFour,
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
} from '../weights';
import { isDigit } from './reading';

/** Where a text is sampled next: xorshift32, as in `SamplePlaces`. */
let places: u32 = 1;

/** Where the places begin: never 0, which stays 0. */
export function seedPlaces(seed: u32): void {
  places = seed;
}

/** Tokens of a long text, from one window of each stride. */
export function sample(start: i32, end: i32): f64 {
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
    // the end wraps around to the beginning
    tokens += to <= end ? addUp(from, to) : addUp(from, end) + addUp(start, start + (to - end));
  }
  return max((tokens * f64(length)) / (windows * windowBytes), f64(length) / leastBytes);
}

/** Tokens of the bytes from `p` up to `end`, by their kinds. */
export function addUp(p: i32, end: i32): f64 {
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

/** The first byte from `p` on that is not a small letter, or `end`. */
function endOfLower(p: i32, end: i32): i32 {
  while (p < end) {
    const others: i32 = ~i8x16.bitmask(
      i8x16.lt_u(i8x16.sub(v128.load(p), i8x16.splat(0x61)), i8x16.splat(26)),
    );
    // one bit for each of sixteen bytes
    if ((others & 0xffff) !== 0) return min(p + ctz(others), end);
    p += 16;
  }
  return end;
}
