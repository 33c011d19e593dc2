import { partsAt, passedAt, textAt } from '../layout';
import { endAll, endOfText, none } from './reading';

/**
 * Counts the events from `start` on that are the parts at `partsAt` with any JSON string between each two, and stores
 * at `passedAt` where the last of them ends.
 *
 * @param start where the first of them begins in the text at `textAt`
 * @param length of the text
 * @param maxBytes of an event
 */
export function repeats(start: i32, length: i32, maxBytes: i32): i32 {
  const end: i32 = textAt + length;
  endAll(end);
  let events: i32 = 0;
  let p: i32 = textAt + start;
  while (true) {
    const behind = endOfRepeated(p, end);
    if (behind === none || behind - p > maxBytes) break;
    events++;
    p = behind;
  }
  store<u32>(passedAt, p - textAt);
  return events;
}

function endOfRepeated(p: i32, end: i32): i32 {
  const parts: i32 = load<u8>(partsAt);
  /** Where the length of a part is, in two bytes. */
  let size: i32 = partsAt + 1;
  let part: i32 = size + 2 * parts;
  for (let index = 0; index < parts; index++) {
    if (index > 0) {
      p = endOfText(p);
      if (p === none) return none;
    }
    const bytes: i32 = load<u16>(size);
    if (p + bytes > end || !areSame(p, part, bytes)) return none;
    p += bytes;
    part += bytes;
    size += 2;
  }
  return p;
}

function areSame(one: i32, other: i32, bytes: i32): bool {
  while (bytes > 0) {
    const wanted: i32 = bytes < 16 ? (1 << bytes) - 1 : 0xffff;
    const same: i32 = i8x16.bitmask(i8x16.eq(v128.load(one), v128.load(other)));
    if ((same & wanted) !== wanted) return false;
    one += 16;
    other += 16;
    bytes -= 16;
  }
  return true;
}
