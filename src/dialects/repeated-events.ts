import { type RepeatedParts, sharedKernel, toRepeatedParts } from '../json/kernel/kernel.ts';

/** Parts of an event beyond which it is not worth following. */
const mostParts = 4;
/** Longer events are few: what they repeat is not worth keeping for as long as the stream lasts. */
const mostBytes = 2_048;
/** So often what events repeat is looked for anew. Streams that keep changing would pay for it with each of them. */
const mostLessons = 16;

/**
 * Tells events that repeat the one before them but for the texts of a few strings, as most deltas of a stream do: the
 * text, and what pads it. They take a tenth of the time in which a pattern looks at each, and where there is no kernel for it
 * they are left to that.
 *
 * It learns of two events that it was told are ordinary, and finds those ordinary that differ from them in nothing but
 * the same strings. These are values, never names, and no quote, break of line or control character may be inside one.
 */
export class RepeatedEvents {
  /** What stays of an event: its beginning, to the first text, and what follows each of them, with its quotes. */
  #parts: RepeatedParts | undefined;
  /** The last ordinary event that was no repetition, while nothing is known to repeat it. */
  #known = '';
  #lessons = mostLessons;
  /** How many `endOf` has found. */
  found = 0;

  /** Where the events from `start` of a text, or its bytes, on end that are no more than repetitions; -1 where the first is none. */
  endOf(text: string | Uint8Array, start: number, maxBytes: number): number {
    if (this.#parts === undefined) return -1;
    const kernel = sharedKernel();
    this.found = kernel?.repeats(text, start, this.#parts, maxBytes) ?? 0;
    return kernel && this.found > 0 ? kernel.passed : -1;
  }

  /** Sees an ordinary event that was none. */
  learn(event: string): void {
    if (this.#lessons === 0 || event.length > mostBytes) return;
    const parts = this.#known === '' ? [] : partsThatStay(this.#known, event);
    if (parts.length > 0) this.#parts = toRepeatedParts(parts);
    this.#lessons--;
    // a copy: a slice would keep the whole chunk
    this.#known = parts.length > 0 || this.#lessons === 0 ? '' : copyOf(event);
  }
}

/** Where the JSON string ends whose text begins at `from`: its quote; -1 without one. */
function endOfString(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at;
    if (code === backslash) at++;
    else if (code < space) return -1;
  }
  return -1;
}

/** What two events have in common around the strings in which they differ; none where they differ otherwise. */
function partsThatStay(one: string, other: string): string[] {
  const parts: string[] = [];
  let [from, otherFrom] = [0, 0];
  while (parts.length < mostParts) {
    const rest = other.slice(otherFrom);
    if (one.slice(from) === rest) return parts.length > 0 ? [...parts, rest] : [];
    const opening = openingOfDifference(one.slice(from), rest);
    if (opening < 0) return [];
    parts.push(rest.slice(0, opening + 1));
    from = endOfString(one, from + opening + 1);
    otherFrom = endOfString(other, otherFrom + opening + 1);
    // a name is no text, even where two differ in nothing else
    if (from < 0 || otherFrom < 0 || /^"\s*:/.test(other.slice(otherFrom))) return [];
  }
  return [];
}

/** The opening quote of the string in which two texts begin to differ; -1 where they do not within one. */
function openingOfDifference(one: string, other: string): number {
  // both begin outside of strings, or with the quote that ends one
  let opening = -1;
  let at = one.charCodeAt(0) === quote ? 1 : 0;
  for (; at < one.length && one.charCodeAt(at) === other.charCodeAt(at); at++) {
    const code = one.charCodeAt(at);
    if (code === backslash) {
      if (one.charCodeAt(at + 1) !== other.charCodeAt(at + 1)) break;
      at++;
    } else if (code === quote) {
      opening = opening < 0 ? at : -1;
    }
  }
  return opening;
}

function copyOf(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;
