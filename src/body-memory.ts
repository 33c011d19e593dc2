/** Of fewer bytes it is not worth the trouble. More than what a connection joins with its head: of that it tells nothing. */
const leastBytes = 65_536;

/**
 * The memory of a request's body, given back at once when nothing reads it any more, and not when it is found to be garbage: V8
 * counts large bodies as memory outside of its heap, of which a hundred bring about a full collection.
 */
export class BodyMemory {
  #bytes: Uint8Array | undefined;
  /** Attempts that have not sent it yet, and whoever sends it at the moment. */
  #holders = 0;
  #isOver = false;
  #isGone = false;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns undefined where giving it back would be of no use */
  static of(bytes: Uint8Array): BodyMemory | undefined {
    return bytes.length < leastBytes ? undefined : new BodyMemory(bytes);
  }

  /** @throws Error when it has been given back: what is empty now must not be taken for a body */
  check(): void {
    if (this.#isGone) throw new Error('The body of this request has been given back already.');
  }

  /**
   * Holds it for one attempt, until what was lent for that has come back; for good where nothing is lent.
   *
   * @returns lends it to who sends it, each time; what that returns is called when it is read no more
   */
  hold(): () => () => void {
    this.#holders++;
    let isLent = false;
    return () => {
      this.check();
      if (isLent) this.#holders++;
      isLent = true;
      return this.#once();
    };
  }

  /** Nobody asks for it any more: what is lent is the last of it. */
  end(): void {
    this.#isOver = true;
    this.#giveBack();
  }

  /** It is needed for longer than anybody can tell: the garbage collection has it. */
  keep(): void {
    this.#bytes = undefined;
  }

  #once(): () => void {
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#holders--;
      this.#giveBack();
    };
  }

  #giveBack(): void {
    if (!this.#isOver || this.#holders > 0 || this.#bytes === undefined) return;
    const { buffer, byteLength } = this.#bytes;
    this.#bytes = undefined;
    // a part of something else is not alone there
    if (byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
    this.#isGone = true;
    try {
      buffer.transfer(0);
    } catch {
      // what cannot be detached, or was by somebody else, is for the garbage collection
    }
  }
}
