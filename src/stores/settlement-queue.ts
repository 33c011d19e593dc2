import { backoffMs } from './backoff.ts';
import { SettlementBook, type SettlementBookOptions } from './settlement-book.ts';

/** What is settled later, and how. */
export interface SettlementQueueOptions<Letter> extends SettlementBookOptions {
  /** How many settlements go out in one call. */
  readonly maxBatch: number;
  /** Makes them, all or some: each may be made twice. */
  readonly send: (batch: readonly Letter[]) => Promise<void>;
  /** Whether the server refused what was sent for what is in it, and would do so for ever. @default never */
  readonly isRefusal?: (error: unknown) => boolean;
  /** What those are told that come or wait as the queue closes, by what has failed last. */
  readonly toClosed: (last: Error | undefined) => Error;
}

/**
 * Settlements on their way to a server. One call at a time takes as many as have gathered, so that a server which does not
 * answer is asked by one; what fails is sent again until it succeeds, since a settlement is by id and happens once.
 */
export class SettlementQueue<Letter> {
  readonly #options: SettlementQueueOptions<Letter>;
  readonly #book: SettlementBook<Letter>;
  #running: Promise<void> | undefined;
  #failures = 0;
  #wake = () => {};
  #isClosing = false;

  constructor(options: SettlementQueueOptions<Letter>) {
    this.#options = options;
    this.#book = new SettlementBook(options);
  }

  get pending(): number {
    return this.#book.size;
  }

  /** Whether the last try failed. */
  get areLate(): boolean {
    return this.#failures > 0;
  }

  get givenUp(): number {
    return this.#book.givenUp;
  }

  /**
   * Resolves when it was made, or when the server has failed and it is made later. The promise may be left alone: what is
   * given up is told of besides.
   */
  add(id: string, letter: Letter): Promise<void> {
    const refused = this.#isClosing ? this.#options.toClosed(undefined) : undefined;
    const done = this.#book.add(id, letter, this.#failures > 0, refused);
    if (this.#book.size > 0) this.#running ??= this.#run();
    return done;
  }

  /** Makes what waits; what is not made after `deadlineMs` is given up. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosing = true;
    this.#wake();
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.runtime.schedule(deadlineMs, resolve);
    await Promise.race([this.#running, over]);
    cancel();
    this.#book.giveUpAll(this.#options.toClosed);
    this.#wake();
  }

  async #run(): Promise<void> {
    // what is settled in the same turn goes out together
    await Promise.resolve();
    while (this.#book.size > 0) {
      try {
        await this.#send(this.#next());
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        this.#book.postpone(error as Error, this.#failures === 1);
        await this.#pause();
      }
    }
    this.#running = undefined;
  }

  #next(): [id: string, letter: Letter][] {
    const batch: [string, Letter][] = [];
    for (const [id, { letter }] of this.#book) {
      batch.push([id, letter]);
      if (batch.length >= this.#options.maxBatch) break;
    }
    return batch;
  }

  async #send(batch: readonly (readonly [id: string, letter: Letter])[]): Promise<void> {
    const { send, isRefusal } = this.#options;
    try {
      await send(batch.map(([, letter]) => letter));
    } catch (error) {
      if (!isRefusal?.(error)) throw error;
      if (batch.length > 1) for (const each of batch) await this.#send([each]);
      // it would be refused again for ever
      else for (const [id] of batch) this.#book.end(id, error as Error);
      return;
    }
    for (const [id] of batch) this.#book.end(id);
  }

  async #pause(): Promise<void> {
    const { runtime } = this.#options;
    await new Promise<void>((resolve) => {
      const cancel = runtime.schedule(backoffMs(this.#failures, runtime), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
