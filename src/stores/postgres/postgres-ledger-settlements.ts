import type { Runtime } from '../../runtime.ts';
import { isRefusal } from './postgres-ledger-batches.ts';

/** What is settled: an id as the index has it, and what was used. */
export interface Settlement {
  readonly id: string;
  readonly used: readonly (number | null)[];
}

/** What is settled later, and how. */
export interface LedgerSettlementsOptions {
  readonly runtime: Runtime;
  readonly maxBatch: number;
  readonly maxPending: number;
  /** A settlement that could not be made for so long is given up. */
  readonly giveUpMs: number;
  /** Makes them all or none; each may be made twice. */
  readonly send: (batch: readonly Settlement[]) => Promise<void>;
  /** Told when settlements begin to be late, and how many were given up, at most once a second. */
  readonly onProblem: (error: Error, givenUp: number) => void;
}

interface Pending extends Settlement {
  readonly sinceMs: number;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

const backoff = { firstMs: 50, maxMs: 1_000 };

/**
 * Settlements on their way. One statement at a time takes as many as have gathered, so that a server which does not answer
 * is asked by one; what fails is sent again until it succeeds, since a settlement is by id and happens once.
 */
export class LedgerSettlements {
  readonly #options: LedgerSettlementsOptions;
  readonly #pending = new Map<string, Pending>();
  #running: Promise<void> | undefined;
  #failures = 0;
  #wake = () => {};
  #isClosing = false;
  #givenUp = 0;
  #untold = 0;
  #lastError = new Error('PostgreSQL: the ledger is closed.');
  #cancelTelling: (() => void) | undefined;

  constructor(options: LedgerSettlementsOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Whether the last try failed. */
  get areLate(): boolean {
    return this.#failures > 0;
  }

  get givenUp(): number {
    return this.#givenUp;
  }

  /**
   * Resolves when it was made, or when PostgreSQL has failed and it is made later. The promise may be left alone: what is
   * given up is told of besides.
   */
  add({ id, used }: Settlement): Promise<void> {
    const known = this.#pending.get(id);
    if (known) return known.done;
    const { maxPending, runtime } = this.#options;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    done.catch(() => undefined);
    const pending: Pending = { id, used, sinceMs: runtime.monotonicMs(), done, resolve, reject };
    if (this.#isClosing) this.#giveUp(pending, new Error('PostgreSQL: settle failed, the ledger is closed.'));
    else if (this.#pending.size >= maxPending) {
      this.#giveUp(pending, new Error(`PostgreSQL: settle failed, ${maxPending} settlements wait already.`));
    } else {
      this.#pending.set(id, pending);
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
    for (const pending of this.#pending.values()) this.#giveUp(pending, this.#lastError);
    this.#pending.clear();
    this.#wake();
    this.#tell();
  }

  async #run(): Promise<void> {
    // what is settled in the same turn goes out together
    await Promise.resolve();
    while (this.#pending.size > 0) {
      const batch = this.#next();
      try {
        await this.#send(batch);
        this.#failures = 0;
      } catch (error) {
        await this.#fail(error as Error);
      }
    }
    this.#running = undefined;
  }

  #next(): Pending[] {
    const batch: Pending[] = [];
    for (const pending of this.#pending.values()) {
      batch.push(pending);
      if (batch.length >= this.#options.maxBatch) break;
    }
    return batch;
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#options.send(batch);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (batch.length > 1) {
        for (const each of batch) await this.#send([each]);
      } else {
        const [refused] = batch as [Pending];
        // it would be refused again for ever
        if (this.#pending.delete(refused.id)) this.#giveUp(refused, error as Error);
      }
      return;
    }
    for (const { id, resolve } of batch) {
      this.#pending.delete(id);
      resolve();
    }
  }

  async #fail(error: Error): Promise<void> {
    const { runtime, giveUpMs, onProblem } = this.#options;
    this.#lastError = error;
    this.#failures++;
    if (this.#failures === 1) onProblem(error, 0);
    const nowMs = runtime.monotonicMs();
    for (const [id, pending] of this.#pending) {
      if (nowMs - pending.sinceMs >= giveUpMs) {
        this.#pending.delete(id);
        this.#giveUp(pending, error);
      }
      // nobody is kept waiting for a database that does not answer
      pending.resolve();
    }
    const fullMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(this.#failures - 1, 10));
    await new Promise<void>((resolve) => {
      const cancel = runtime.schedule(fullMs * (0.5 + runtime.random() / 2), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #giveUp(pending: Pending, error: Error): void {
    pending.reject(error);
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
