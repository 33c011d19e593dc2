/** The most choices one stream is followed for (the OpenAI API allows 128). */
const maxChoices = 128;

/** Which choices (candidates) of a stream were seen, and whether all of them have finished. Starts with none seen. */
export class FinishTracker {
  /** Whether the first choice, whose index is not worth a look, was seen. */
  hasFirst = false;
  #firstFinished = false;
  /** Those after the first, by index; most streams have none. */
  #others: Map<number, boolean> | undefined;
  #unfinished = 0;
  #isFollowed = true;

  /** Notes a choice in a parsed chunk. An absent index is 0. */
  note(given: unknown, finished: boolean): void {
    const index = typeof given === 'number' ? given : 0;
    if (index !== 0) {
      this.#noteOther(index, finished);
      return;
    }
    if (!this.hasFirst) this.#unfinished++;
    if (finished && !this.#firstFinished) this.#unfinished--;
    this.hasFirst = true;
    this.#firstFinished ||= finished;
  }

  /** Whether a choice was seen and all that were seen have finished. False for good beyond 128 choices. */
  get allFinished(): boolean {
    return this.#isFollowed && this.#unfinished === 0 && (this.hasFirst || this.#others !== undefined);
  }

  #noteOther(index: number, finished: boolean): void {
    this.#others ??= new Map();
    const before = this.#others.get(index);
    if (before === undefined && this.#others.size + Number(this.hasFirst) >= maxChoices) {
      this.#isFollowed = false;
      return;
    }
    if (before === undefined) this.#unfinished++;
    if (finished && before !== true) this.#unfinished--;
    this.#others.set(index, finished || before === true);
  }
}
