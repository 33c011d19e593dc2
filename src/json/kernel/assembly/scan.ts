import {
  bodyAt,
  containersAt,
  keyNamesAt,
  longsAt,
  mostDepth,
  mostKeyBytes,
  mostMembers,
  resultsAt,
  spansAt,
} from '../layout';
import { longStringBytes } from '../weights';
import {
  endAll,
  endOfName,
  endOfText,
  forgetTexts,
  isDigit,
  none,
  notMine,
  placeIn,
  sawOnlyAscii,
  skipSpace,
} from './reading';

// What a scan is inside of.
const array = 0;
const object = 1;
/** An object that is the value of a key `constructor`. */
const constructorObject = 2;

// Places in the list of keys at `keyNamesAt`.
const protoKey = 1;
const constructorKey = 2;
const prototypeKey = 3;

/**
 * Checks the document of `length` bytes as `scanJsonObject` does, and stores what it found in memory.
 *
 * @returns the number of members of the root object, or `notMine`
 */
export function scan(length: i32, maxDepth: i32, maxKeys: i32): i32 {
  const end: i32 = bodyAt + length;
  endAll(end);
  forgetTexts();
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
  store<u32>(resultsAt, sawOnlyAscii() ? 1 : 0, 12);
  store<u32>(long, 0);
  return (span - spansAt) >> 4;
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

function endOfDigits(p: i32): i32 {
  while (isDigit(load<u8>(p))) p++;
  return p;
}

/** Whether one of the keys in `spansAt` up to `until` is the one of `bytes` bytes at `name`. */
function isKnown(name: i32, bytes: i32, until: i32): bool {
  for (let span: i32 = spansAt; span < until; span += 16) {
    const other: i32 = load<u32>(span);
    if (load<u32>(span, 4) - other === bytes && memory.compare(other + bodyAt, name, bytes) === 0)
      return true;
  }
  return false;
}
