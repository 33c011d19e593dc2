/** Of fewer bytes it is not worth the trouble. */
const leastBytes = 65_536;

/**
 * The memory of a request's body, given back at once when nothing reads it any more, and not when it is found to be garbage: V8
 * counts large bodies as memory outside of its heap, of which a hundred bring about a full collection.
 */
export class BodyMemory {
  #bytes: Uint8Array | undefined;
  #lent = 0;
  #isOver = false;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns undefined where giving it back would be of no use */
  static of(bytes: Uint8Array): BodyMemory | undefined {
    return bytes.length < leastBytes ? undefined : new BodyMemory(bytes);
  }

  /** Lends it to who sends it. @returns to be called once, when it is sent; never where that is not known */
  lend(): () => void {
    this.#lent++;
    return () => {
      this.#lent--;
      this.#giveBack();
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

  #giveBack(): void {
    if (!this.#isOver || this.#lent > 0 || this.#bytes === undefined) return;
    const { buffer, byteLength } = this.#bytes;
    this.#bytes = undefined;
    // a part of something else is not alone there
    if (byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
  }
}
