import type { Runtime } from '../runtime.ts';

/** Bounds and callbacks of a book. */
export interface SettlementBookOptions {
  readonly runtime: Runtime;
  /** The most settlements that may wait; one more is given up at once. */
  readonly maxPending: number;
  /** A settlement that could not be made for this long is given up. */
  readonly giveUpMs: number;
  /** The error for a settlement that no longer fits. */
  readonly toFull: () => Error;
  /** Told when settlements begin to be late, and how many were given up, at most once a second. */
  readonly onProblem: (error: Error, givenUp: number) => void;
}

/** A settlement not made yet. */
export interface PendingSettlement<Letter> {
  /** What there is to do. */
  readonly letter: Letter;
  readonly sinceMs: number;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

/** Settlements not made yet, by id: the first call for an id counts. */
export class SettlementBook<Letter> {
  readonly #options: SettlementBookOptions;
  readonly #waiting = new Map<string, PendingSettlement<Letter>>();
  #givenUp = 0;
  #untold = 0;
  #lastError: Error | undefined;
  #cancelTelling: (() => void) | undefined;

  constructor(options: SettlementBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get givenUp(): number {
    return this.#givenUp;
  }

  [Symbol.iterator](): MapIterator<[string, PendingSettlement<Letter>]> {
    return this.#waiting[Symbol.iterator]();
  }

  /** Resolves when it is made, or postponed because the store fails; rejects when it is `refused`. */
  add(id: string, letter: Letter, isLate: boolean, refused?: Error): Promise<void> {
    const known = this.#waiting.get(id);
    if (known) return known.done;
    const { runtime, maxPending, toFull } = this.#options;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    // it may be ignored: what is given up is reported anyway
    done.catch(() => undefined);
    const settlement = { letter, sinceMs: runtime.monotonicMs(), done, resolve, reject };
    if (refused) this.#giveUp(settlement, refused);
    else if (this.#waiting.size >= maxPending) this.#giveUp(settlement, toFull());
    else {
      this.#waiting.set(id, settlement);
      if (isLate) resolve();
    }
    return done;
  }

  /** The settlement was made, or never can be. */
  end(id: string, error?: Error): void {
    const settlement = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) settlement?.resolve();
    else if (settlement) this.#giveUp(settlement, error);
  }

  /**
   * The settlements could not be made now: nobody is kept waiting, and those that have waited too long are given up.
   */
  postpone(error: Error, isFirst: boolean): void {
    if (this.#waiting.size === 0) return;
    this.#lastError = error;
    if (isFirst) this.#options.onProblem(error, 0);
    const { runtime, giveUpMs } = this.#options;
    const nowMs = runtime.monotonicMs();
    for (const [id, settlement] of this.#waiting) {
      if (nowMs - settlement.sinceMs >= giveUpMs) {
        this.#waiting.delete(id);
        this.#giveUp(settlement, error);
      }
      settlement.resolve();
    }
  }

  /** @param toError makes their error from the last failure */
  giveUpAll(toError: (last: Error | undefined) => Error): void {
    const error = toError(this.#lastError);
    for (const settlement of this.#waiting.values()) this.#giveUp(settlement, error);
    this.#waiting.clear();
    this.#tell();
  }

  #giveUp(settlement: PendingSettlement<Letter>, error: Error): void {
    settlement.reject(error);
    this.#lastError = error;
    this.#givenUp++;
    this.#untold++;
    this.#cancelTelling ??= this.#options.runtime.schedule(1_000, () => this.#tell());
  }

  #tell(): void {
    this.#cancelTelling?.();
    this.#cancelTelling = undefined;
    const givenUp = this.#untold;
    this.#untold = 0;
    if (givenUp > 0) this.#options.onProblem(this.#lastError as Error, givenUp);
  }
}
