import { type RepeatedParts, sharedKernel, toRepeatedParts } from '../json/kernel/kernel.ts';

/** Texts of an event beyond which it is not worth following. */
const mostTexts = 16;
/** Longer events are few: what they repeat is not worth keeping for as long as the stream lasts. */
const mostBytes = 2_048;
/** So often what events repeat is looked for anew. Streams that keep changing would pay for it with each of them. */
const mostLessons = 16;

/** What streams of a dialect have in common: those that begin in the same second often differ in texts alone. */
export interface Learnt {
  /** What stays of the event that was learnt last: its beginning, to the first text, and what follows each, with its quotes. */
  parts: RepeatedParts | undefined;
}

/**
 * Tells events that repeat one that was seen before but for the texts in it, as most deltas of a stream do. They take a tenth of
 * the time in which a pattern looks at each, and where there is no kernel for it they are left to that.
 *
 * It learns of an event that it was told is ordinary, and finds those ordinary that differ from it in nothing but strings.
 * These are values, never names, and no quote, break of line or control character may be inside one.
 */
export class RepeatedEvents {
  readonly #learnt: Learnt;
  /** Those of the last event that was learnt here. */
  #parts: RepeatedParts | undefined;
  #lessons = mostLessons;
  /** How many `endOf` has found. */
  found = 0;

  /** @param learnt of all streams of a dialect */
  constructor(learnt: Learnt) {
    this.#learnt = learnt;
  }

  /** Where the events from `start` of a text, or its bytes, on end that are no more than repetitions; -1 where the first is none. */
  endOf(text: string | Uint8Array, start: number, maxBytes: number): number {
    const parts = this.#parts ?? this.#learnt.parts;
    if (parts === undefined) return -1;
    const kernel = sharedKernel();
    this.found = kernel?.repeats(text, start, parts, maxBytes) ?? 0;
    return kernel && this.found > 0 ? kernel.passed : -1;
  }

  /** Sees an ordinary event that was none. */
  learn(event: string): void {
    if (this.#lessons === 0 || event.length > mostBytes) return;
    this.#lessons--;
    const parts = partsAroundTexts(event);
    if (parts.length > 0) this.#parts = this.#learnt.parts = toRepeatedParts(parts);
  }
}

/** What is around the texts of an event that may differ; nothing where there are too many, or none. */
function partsAroundTexts(event: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let name = '';
  for (let opening = event.indexOf('"'); opening >= 0; ) {
    const end = endOfString(event, opening + 1);
    if (end < 0) return [];
    const behind = event.charCodeAt(end + 1);
    if (behind === colon) {
      name = event.slice(opening + 1, end);
    } else if (behind !== comma && behind !== closingBrace && behind !== closingBracket) {
      // space before what is behind: it may be a name all the same
      return [];
    } else if (!staying.has(name)) {
      if (parts.length === mostTexts) return [];
      parts.push(event.slice(from, opening + 1));
      from = end;
    }
    opening = event.indexOf('"', end + 1);
  }
  return parts.length > 0 ? [...parts, event.slice(from)] : [];
}

/** Members of which most streams have the same text: it is faster compared than looked for its end. */
const staying = new Set(['object', 'model', 'role', 'system_fingerprint', 'service_tier']);

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

const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;
const colon = 0x3a;
const comma = 0x2c;
const closingBracket = 0x5d;
const closingBrace = 0x7d;
