/** Removes a text from the beginning of another one that comes in pieces. */
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

  /** The new part of a piece; undefined when it is not the expected text. */
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

/** What went out, without the blanks at its end, which several providers reject in an unfinished turn. */
export function withoutTrailingBlanks(text: string): { readonly kept: string; readonly blanks: string } {
  const kept = text.trimEnd();
  return { kept, blanks: text.slice(kept.length) };
}
