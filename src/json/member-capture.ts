import { type ByteRecorder, createByteRecorder } from './byte-recorder.ts';
import { decodeUtf8, isAscii, isTextAt } from './text.ts';

/**
 * Keeps the values of named members of an object that passes by in chunks. It is told where keys and values start and
 * end; `position` and `end` count from the start of the current chunk.
 */
export class MemberCapture {
  readonly #keys: readonly string[];
  /** The values as they were sent, each in the place of its key; `undefined` until whole. */
  readonly #texts: (string | undefined)[];
  readonly #isAscii: boolean;
  /** No key with more bytes than this, quotes included, can be one of ours: `\uXXXX` is the longest spelling. */
  readonly #maxKeyBytes: number;
  readonly #maxValueBytes: number;
  /** Which of the keys the current value belongs to, or -1. */
  #current = -1;
  #isRecording = false;
  #from = 0;
  #limit = 0;
  /** What earlier chunks had of the bytes being recorded. */
  #recorder: ByteRecorder | undefined;

  constructor(keys: readonly string[], maxValueBytes: number) {
    this.#keys = keys;
    this.#texts = keys.map(() => undefined);
    this.#isAscii = keys.every(isAscii);
    this.#maxKeyBytes = 2 + 6 * keys.reduce((longest, key) => Math.max(longest, key.length), 0);
    this.#maxValueBytes = maxValueBytes;
  }

  /** The text of the last whole value of this key, when it is one of ours and was within the bound. */
  textOf(key: string): string | undefined {
    return this.#texts[this.#keys.indexOf(key)];
  }

  /** `position` is the opening quote. */
  startKey(position: number): void {
    if (this.#keys.length > 0) this.#start(position, this.#maxKeyBytes);
  }

  /** `end` is after the closing quote. */
  endKey(chunk: Uint8Array, end: number, isEscaped: boolean): void {
    if (!this.#isRecording) return;
    if (this.#recorder === undefined && !isEscaped && this.#isAscii) {
      // Nearly every key is in one piece and spelt plainly: those need no string.
      this.#isRecording = false;
      this.#current = this.#findAt(chunk, this.#from + 1, end - 1);
      return;
    }
    const text = this.#stop(chunk, end);
    if (text !== undefined) this.#current = this.#keys.indexOf(toKey(text));
  }

  startValue(position: number): void {
    if (this.#current >= 0) this.#start(position, this.#maxValueBytes);
  }

  endValue(chunk: Uint8Array, end: number): void {
    if (this.#current < 0) return;
    this.#texts[this.#current] = this.#stop(chunk, end);
    this.#current = -1;
  }

  /** Must be called at the end of each chunk; the next one starts at 0. */
  endChunk(chunk: Uint8Array): void {
    if (!this.#isRecording) return;
    this.#recorder ??= createByteRecorder(this.#limit);
    this.#recorder.append(chunk, this.#from, chunk.length);
    this.#from = 0;
  }

  #start(position: number, limit: number): void {
    this.#isRecording = true;
    this.#from = position;
    this.#limit = limit;
  }

  /** The text of what was recorded, or `undefined` when it was more than the limit. */
  #stop(chunk: Uint8Array, end: number): string | undefined {
    const recorder = this.#recorder;
    this.#isRecording = false;
    this.#recorder = undefined;
    if (recorder === undefined) {
      return end - this.#from > this.#limit ? undefined : decodeUtf8(chunk, this.#from, end);
    }
    recorder.append(chunk, this.#from, end);
    const bytes = recorder.bytes();
    return bytes && decodeUtf8(bytes, 0, bytes.length);
  }

  #findAt(chunk: Uint8Array, start: number, end: number): number {
    for (let place = 0; place < this.#keys.length; place++) {
      if (isTextAt(this.#keys[place]!, chunk, start, end)) return place;
    }
    return -1;
  }
}

function toKey(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    // A string with raw control characters in it: no key of ours.
    return text;
  }
}
