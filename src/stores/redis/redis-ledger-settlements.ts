import type { Runtime } from '../../runtime.ts';
import { backoffMs } from './backoff.ts';
import { RedisStoreError } from './redis-error.ts';

/** How many settlements go out in one call. */
const batchSize = 64;

/** What is settled later, and how. */
export interface SettlementOptions {
  readonly runtime: Runtime;
  readonly maxPending: number;
  /** A settlement that could not be made for so long is given up. */
  readonly giveUpMs: number;
  /** Makes them, all or some: each may be made twice. */
  send(batch: readonly (readonly string[])[]): Promise<void>;
  /** Told when settlements begin to be late, and how many were given up, at most once a second. */
  onProblem(error: Error, givenUp: number): void;
}

interface Settlement {
  readonly parameters: readonly string[];
  readonly sinceMs: number;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Settlements on their way. One call at a time takes as many as have gathered, so that a server which does not answer is
 * asked by one; what fails is sent again until it succeeds, since a settlement is by id and happens once.
 */
export class Settlements {
  readonly #options: SettlementOptions;
  readonly #waiting = new Map<string, Settlement>();
  #running: Promise<void> | undefined;
  #failures = 0;
  #wake = () => {};
  #isClosing = false;
  #givenUp = 0;
  #untold = 0;
  #lastError: Error = new RedisStoreError('closed');
  #cancelTelling: (() => void) | undefined;

  constructor(options: SettlementOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  /** Whether the last try failed. */
  get areLate(): boolean {
    return this.#failures > 0;
  }

  get givenUp(): number {
    return this.#givenUp;
  }

  /**
   * Resolves when it was made, or when Redis has failed and it is made later. The promise may be left alone: what is given
   * up is told of besides.
   */
  add(id: string, parameters: readonly string[]): Promise<void> {
    const known = this.#waiting.get(id);
    if (known) return known.done;
    const { maxPending, runtime } = this.#options;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    done.catch(() => undefined);
    const settlement = { parameters, sinceMs: runtime.monotonicMs(), done, resolve, reject };
    if (this.#isClosing) this.#giveUp(settlement, new RedisStoreError('closed'));
    else if (this.#waiting.size >= maxPending) {
      const error = new RedisStoreError('overloaded', `${maxPending} settlements wait`);
      this.#giveUp(settlement, error);
    } else {
      this.#waiting.set(id, settlement);
      if (this.#failures > 0) resolve();
      this.#running ??= this.#run();
    }
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
    const error = new RedisStoreError('closed', '', this.#lastError);
    for (const [id, settlement] of this.#waiting) {
      this.#waiting.delete(id);
      this.#giveUp(settlement, error);
    }
    this.#wake();
    this.#tell();
  }

  async #run(): Promise<void> {
    // what is settled in the same turn goes out together
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const batch = this.#next();
      try {
        await this.#options.send(batch.map(([, { parameters }]) => parameters));
        this.#failures = 0;
        for (const [id, settlement] of batch) {
          this.#waiting.delete(id);
          settlement.resolve();
        }
      } catch (error) {
        await this.#fail(error as Error);
      }
    }
    this.#running = undefined;
  }

  #next(): [string, Settlement][] {
    const batch: [string, Settlement][] = [];
    for (const entry of this.#waiting) {
      batch.push(entry);
      if (batch.length === batchSize) break;
    }
    return batch;
  }

  async #fail(error: Error): Promise<void> {
    const { runtime, giveUpMs, onProblem } = this.#options;
    this.#lastError = error;
    this.#failures++;
    if (this.#failures === 1) onProblem(error, 0);
    const nowMs = runtime.monotonicMs();
    for (const [id, settlement] of this.#waiting) {
      if (nowMs - settlement.sinceMs >= giveUpMs) {
        this.#waiting.delete(id);
        this.#giveUp(settlement, error);
      }
      // nobody is kept waiting for a Redis that does not answer
      settlement.resolve();
    }
    await new Promise<void>((resolve) => {
      const cancel = runtime.schedule(backoffMs(this.#failures, runtime), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #giveUp(settlement: Settlement, error: Error): void {
    settlement.reject(error);
    this.#lastError = error;
    this.#givenUp++;
    this.#untold++;
    this.#cancelTelling ??= this.#options.runtime.schedule(1_000, () => this.#tell());
  }

  #tell(): void {
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    if (this.#untold === 0) return;
    const givenUp = this.#untold;
    this.#untold = 0;
    this.#options.onProblem(this.#lastError, givenUp);
  }
}
