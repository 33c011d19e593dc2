import type { Usage } from '../message.ts';
import type { Members } from './stream-data.ts';

/** How a stream is gone on with: by a model that is given what it said so far, or by one that says all of it again. */
export type SpliceMode = 'continue' | 'restart';

/**
 * Follows a stream as its caller got it, so that another one can go on in its place when it breaks. Only plain text can be
 * gone on with: what goes out of a tool call, of reasoning or of a second choice cannot be taken back.
 */
export interface StreamSplicer {
  /** Sees the data of an event that went out. */
  delivered(data: string): void;
  /** The text that went out; undefined when there is none, when more than text did, and when the answer was over. */
  readonly text: string | undefined;
  /** What to change in the request's body so that the model goes on behind the text. Undefined when that cannot be said. */
  continuation(body: (member: string) => unknown): Members | undefined;
  /**
   * Begins to put another stream in the place of the one that broke.
   *
   * @param spent what the broken one used; added to the usage that the other one tells
   */
  splice(mode: SpliceMode, spent: Usage | undefined): Splice;
}

/** Another stream on its way into the place of one that broke. */
export interface Splice {
  /**
   * An event of the other stream, as it goes out: with the ids of the first one, without what went out already.
   *
   * @returns the text of the event; '' when nothing of it goes out; undefined when the other stream does not say the same
   */
  event(event: { readonly event?: string | undefined; readonly data: string }): string | undefined;
  /** Whether all that went out was said again, and so what comes now is new. */
  readonly isReady: boolean;
}

/** Takes a text off the beginning of another one that comes in pieces. */
export class PrefixFilter {
  #expected: string;
  readonly #isOptional: boolean;

  /** @param isOptional whether the other text may also begin without it */
  constructor(expected: string, isOptional: boolean) {
    this.#expected = expected;
    this.#isOptional = isOptional;
  }

  get isDone(): boolean {
    return this.#expected === '';
  }

  /** What of a piece is new; undefined when it is not the expected text. */
  take(piece: string): string | undefined {
    const expected = this.#expected;
    if (expected === '' || piece === '') return piece;
    if (piece.startsWith(expected)) {
      this.#expected = '';
      return piece.slice(expected.length);
    }
    if (expected.startsWith(piece)) {
      this.#expected = expected.slice(piece.length);
      return '';
    }
    if (!this.#isOptional) return undefined;
    this.#expected = '';
    return piece;
  }
}

/** What went out, without the blanks at its end, which several providers do not take in an unfinished turn. */
export function withoutTrailingBlanks(text: string): { readonly kept: string; readonly blanks: string } {
  const kept = text.trimEnd();
  return { kept, blanks: text.slice(kept.length) };
}

/** The text that another stream begins with again, and whether it must. */
export function toPrefixFilter(mode: SpliceMode, text: string): PrefixFilter {
  return mode === 'restart'
    ? new PrefixFilter(text, false)
    : new PrefixFilter(withoutTrailingBlanks(text).blanks, true);
}

/** Counts with others added to them, where they are numbers. */
export function addCounts(counts: Members, added: Readonly<Record<string, number | undefined>>): Members {
  const sum: Record<string, unknown> = { ...counts };
  for (const [name, value] of Object.entries(added)) {
    if (typeof sum[name] === 'number' && value !== undefined) sum[name] = (sum[name] as number) + value;
  }
  return sum;
}
