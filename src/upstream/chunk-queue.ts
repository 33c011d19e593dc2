import { atEndOfTurn, Gathered, gather } from '../gather.ts';
import type { Awaitable } from '../limits/ledger.ts';
import type { ChunkReceiver, PulledBody } from '../message.ts';
import { concatBytes, latin1Of } from './bytes.ts';
import type { Collected, EgressBody } from './egress.ts';

const highWaterBytes = 65_536;
const over: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** Controls the source that fills a queue. */
export interface ChunkSource {
  pause(): void;
  resume(): void;
  cancel(): void;
}

/**
 * Chunks between a source that pushes and a reader that pulls. It holds at most one high-water mark (64 KiB) plus one
 * chunk: above the mark the source is paused. Chunks that came together go out together, one promise for all.
 *
 * Its methods are not `async`: a suspended call would be another object for each stream that waits for its next event.
 */
export class ChunkQueue implements EgressBody, PulledBody, AsyncIterableIterator<Uint8Array> {
  readonly #source: ChunkSource;
  #first: Uint8Array | undefined;
  /** All chunks, the first one too, when there are several. */
  #all: Uint8Array[] | undefined;
  #bytes = 0;
  #paused = false;
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  #woken: Promise<void> | undefined;
  #wakeAt = 1;
  #receiver: ChunkReceiver | undefined;
  #delivery: Delivery | undefined;

  constructor(source: ChunkSource) {
    this.#source = source;
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#all === undefined) this.#all = [this.#first, chunk];
    else this.#all.push(chunk);
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

  collect(maxBytes: number): Awaitable<Collected> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ended || this.#bytes > maxBytes) return this.#collected();
    this.#wakeAt = maxBytes + 1;
    // a source may push as it is resumed: begin to wait before that
    const woken = this.#waiting();
    this.#resume();
    return woken.then(() => this.#collected());
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    // the last to ask: a relay whose caller is gone gives way to whoever drains the rest
    this.#receiver = undefined;
    // what had arrived before the connection broke is still delivered first
    if (this.#first !== undefined) return Promise.resolve({ done: false, value: this.#take() });
    if (this.#ended) return this.#error === undefined ? Promise.resolve(over) : Promise.reject(this.#error);
    const woken = this.#waiting();
    this.#resume();
    return woken.then(() => (this.#first === undefined ? this.next() : { done: false, value: this.#take() }));
  }

  read(receiver: ChunkReceiver): void {
    this.#receiver = receiver;
    this.#delivery ??= new Delivery(this);
    if (this.#first !== undefined) deliverSoon(this.#delivery);
    // the end comes after the last chunk, before the caller can hang up on it
    else if (this.#ended) void settled.then(() => this.deliver());
    else this.#resume();
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.cancel();
    return Promise.resolve(over);
  }

  cancel(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#source.cancel();
    }
    this.#take();
    this.#notify();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #collected(): Collected {
    this.#wakeAt = 1;
    if (this.#error !== undefined) throw this.#error;
    return { bytes: this.#take(), ended: this.#ended };
  }

  #take(): Uint8Array {
    const bytes = this.#all === undefined ? (this.#first ?? empty) : concatBytes(this.#all);
    this.#clear();
    return bytes;
  }

  /** What came in several chunks, as text. */
  #takeText(chunks: readonly Uint8Array[]): string {
    const text = latin1Of(chunks, this.#bytes);
    this.#clear();
    return text;
  }

  #clear(): void {
    this.#first = undefined;
    this.#all = undefined;
    this.#bytes = 0;
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

  /** Hands the receiver what is there. */
  deliver(): void {
    const receiver = this.#receiver;
    // two chunks came in one turn, and the first call has taken both
    if (receiver === undefined || (this.#first === undefined && !this.#ended)) return;
    this.#receiver = undefined;
    if (this.#all !== undefined && receiver.text) receiver.text(this.#takeText(this.#all));
    else if (this.#first !== undefined) receiver.chunk(this.#take());
    else if (this.#error === undefined) receiver.end();
    else receiver.fail(this.#error);
  }

  #notify(): void {
    if (this.#receiver !== undefined) deliverSoon(this.#delivery as Delivery);
    const wake = this.#wake;
    this.#wake = undefined;
    this.#woken = undefined;
    wake?.();
  }
}

const empty = new Uint8Array(0);
const settled = Promise.resolve();
/** Runs in the context of whoever reads the queue: what fills it runs in that of whoever opened the connection. */
class Delivery extends Gathered {
  readonly queue: ChunkQueue;

  constructor(queue: ChunkQueue) {
    super();
    this.queue = queue;
  }
}

/**
 * Deferred, so that what comes in one turn goes out in one. Never at once, however many wait: a chunk is pushed from
 * within undici's parser, and its reader may resume another reply, for which there is no second parser.
 */
const deliverSoon = gather(atEndOfTurn, ({ queue }: Delivery) => queue.deliver(), Number.POSITIVE_INFINITY);
