/** Fewer are not worth it. More than a connection joins with the head: of those it does not tell when they are sent. */
const leastBytes = 65_536;

/**
 * The memory of a request's body, given back as soon as nothing reads it any more, not when it is collected as garbage:
 * V8 counts large bodies as memory outside its heap, and a hundred of them trigger a full collection.
 */
export class BodyMemory {
  #bytes: Uint8Array | undefined;
  /** Attempts that have not sent it yet, and senders that are reading it. */
  #holders = 0;
  #isOver = false;
  #isGone = false;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns undefined if giving it back would be of no use */
  static of(bytes: Uint8Array): BodyMemory | undefined {
    return bytes.length < leastBytes ? undefined : new BodyMemory(bytes);
  }

  /** @throws Error when it has been given back: the emptied bytes must not be taken for a body */
  check(): void {
    if (this.#isGone) throw new Error('The body of this request has been given back already.');
  }

  /**
   * Holds it for one attempt, until all that was lent for it has come back; for good if nothing is lent.
   *
   * @returns lends it to a sender, once per call, and returns what to call when it is no longer read
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

  /** Nobody asks for it any more: what is lent now is the last. */
  end(): void {
    this.#isOver = true;
    this.#giveBack();
  }

  /** It is needed for an unknown time: leave it to garbage collection. */
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
    // a view of a larger buffer shares it
    if (byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
    this.#isGone = true;
    try {
      buffer.transfer(0);
    } catch {
      // what cannot be detached, or already was, is left to garbage collection
    }
  }
}
