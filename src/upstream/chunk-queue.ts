import { concatBytes } from './bytes.ts';
import type { EgressBody } from './egress.ts';

const highWaterBytes = 65_536;

/** The tap of the source that fills a queue. */
export interface ChunkSource {
  pause(): void;
  resume(): void;
  cancel(): void;
}

/**
 * Chunks between a source that pushes and a reader that pulls. It holds at most one high-water mark (64 KiB) and a
 * chunk more: above it the source is paused. Chunks that came together are handed out together, one promise for all.
 */
export class ChunkQueue implements EgressBody, AsyncIterableIterator<Uint8Array> {
  readonly #source: ChunkSource;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #paused = false;
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  #woken: Promise<void> | undefined;
  #wakeAt = 1;

  constructor(source: ChunkSource) {
    this.#source = source;
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= this.#wakeAt) this.#notify();
    // a waiting collect() has bounded itself; any other reader is protected by the high-water mark
    if (this.#bytes >= highWaterBytes && this.#wakeAt <= highWaterBytes && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
  }

  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#notify();
  }

  async collect(maxBytes: number): Promise<{ bytes: Uint8Array; ended: boolean }> {
    this.#wakeAt = maxBytes + 1;
    if (!this.#ended && this.#bytes <= maxBytes) {
      this.#resume();
      await this.#waiting();
    }
    this.#wakeAt = 1;
    if (this.#error !== undefined) throw this.#error;
    return { bytes: this.#take(), ended: this.#ended };
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    while (this.#chunks.length === 0 && !this.#ended) {
      this.#resume();
      await this.#waiting();
    }
    // what had arrived before the connection broke is still delivered first
    if (this.#chunks.length > 0) return { done: false, value: this.#take() };
    if (this.#error !== undefined) throw this.#error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  cancel(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#source.cancel();
    }
    this.#chunks = [];
    this.#bytes = 0;
    this.#notify();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): Uint8Array {
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Uint8Array) : concatBytes(this.#chunks);
    this.#chunks = [];
    this.#bytes = 0;
    return bytes;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resume();
  }

  #waiting(): Promise<void> {
    // everybody who waits is woken, and looks again
    this.#woken ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#woken;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    this.#woken = undefined;
    wake?.();
  }
}
