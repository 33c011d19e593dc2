import { type RepeatedParts, sharedKernel, toRepeatedParts } from '../json/kernel/kernel.ts';

/** An event with more texts than this is not worth following. */
const mostTexts = 16;
/** Longer events are few: what they repeat is not worth keeping for as long as the stream lasts. */
const mostBytes = 2_048;
/** How often a stream learns anew what its events repeat. Streams that keep changing would pay for it at each event. */
const mostLessons = 16;

/** What streams of a dialect share: those that begin in the same second often differ only in texts. */
export interface Learnt {
  /** The fixed parts of the event learnt last: its beginning to the first text, and what follows each, with quotes. */
  parts: RepeatedParts | undefined;
}

/**
 * Recognises events that repeat an earlier one except for the texts in it, as most deltas of a stream do. This takes a
 * tenth of the time that a pattern takes for each; without a kernel, events are left to the pattern.
 *
 * It learns an event that it is told is ordinary, and takes as ordinary those that differ from it only in strings.
 * These are values, never names, and none may contain a quote, a line break or a control character.
 */
export class RepeatedEvents {
  readonly #learnt: Learnt;
  /** Those of the last event learnt here. */
  #parts: RepeatedParts | undefined;
  #lessons = mostLessons;
  /** How many `endOf` has found. */
  found = 0;

  /** @param learnt shared by all streams of a dialect */
  constructor(learnt: Learnt) {
    this.#learnt = learnt;
  }

  /** Where the repetitions that begin at `start` of a text, or of its bytes, end; -1 when the first event is none. */
  endOf(text: string | Uint8Array, start: number, maxBytes: number): number {
    const parts = this.#parts ?? this.#learnt.parts;
    if (parts === undefined) return -1;
    const kernel = sharedKernel();
    this.found = kernel?.repeats(text, start, parts, maxBytes) ?? 0;
    return kernel && this.found > 0 ? kernel.passed : -1;
  }

  /** Sees an ordinary event that was no repetition. */
  learn(event: string): void {
    if (this.#lessons === 0 || event.length > mostBytes) return;
    this.#lessons--;
    const parts = partsAroundTexts(event);
    if (parts.length > 0) this.#parts = this.#learnt.parts = toRepeatedParts(parts);
  }
}

/** The parts around the texts of an event that may differ; empty when there are too many, or none. */
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
      // white space follows: it may still be a name
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

/** Members whose text most streams repeat: comparing it is faster than finding its end. */
const staying = new Set(['object', 'model', 'role', 'system_fingerprint', 'service_tier']);

/** The closing quote of the JSON string whose text begins at `from`; -1 without one. */
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
