import { backoffMs } from './backoff.ts';
import { SettlementBook, type SettlementBookOptions } from './settlement-book.ts';

/** What is settled later, and how. */
export interface SettlementQueueOptions<Letter> extends SettlementBookOptions {
  /** The most settlements sent in one call. */
  readonly maxBatch: number;
  /** Makes them, all or some; each may be sent twice. */
  readonly send: (batch: readonly Letter[]) => Promise<void>;
  /** Whether the server refused what was sent for its content, and always would. @default never */
  readonly isRefusal?: (error: unknown) => boolean;
  /** The error for settlements added or waiting as the queue closes, from the last failure. */
  readonly toClosed: (last: Error | undefined) => Error;
}

/**
 * Settlements on their way to a server. One call at a time takes what has gathered, so a server that does not answer
 * gets only one. What fails is sent again until it succeeds: a settlement is by id and happens once.
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
   * Resolves when it is made, or when the server has failed and it is made later. The promise may be ignored: what is
   * given up is reported anyway.
   */
  add(id: string, letter: Letter): Promise<void> {
    const refused = this.#isClosing ? this.#options.toClosed(undefined) : undefined;
    const done = this.#book.add(id, letter, this.#failures > 0, refused);
    if (this.#book.size > 0) this.#running ??= this.#run();
    return done;
  }

  /** Makes what is waiting; what is not made within `deadlineMs` is given up. */
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
    // settlements of the same turn go out together
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
      // it would be refused every time
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
