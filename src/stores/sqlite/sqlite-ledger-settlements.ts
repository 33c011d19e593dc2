import type { Runtime } from '../../runtime.ts';
import { refusal } from './failure.ts';
import type { LedgerTurn } from './sqlite-ledger-turn.ts';

export interface SettlementBookOptions {
  readonly file: string;
  readonly runtime: Runtime;
  readonly maxPendingSettlements: number;
  readonly settleForMs: number;
  /** Told when settlements begin to be late, and how many were given up, at most once a second. */
  onProblem(error: Error, givenUp: number): void;
}

interface Settlement {
  readonly sinceMs: number;
  readonly done: Promise<void>;
  run(turn: LedgerTurn): void;
  resolve(): void;
  reject(error: Error): void;
}

/** Settlements that were not made yet, by id: the first call for an id is the one that counts. */
export class SettlementBook {
  readonly #options: SettlementBookOptions;
  readonly #waiting = new Map<string, Settlement>();
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

  [Symbol.iterator](): MapIterator<[string, Settlement]> {
    return this.#waiting[Symbol.iterator]();
  }

  /** Resolves when it was made, or when it is made later because the database fails; rejects when it is `refused`. */
  add(id: string, run: (turn: LedgerTurn) => void, isLate: boolean, refused?: Error): Promise<void> {
    const known = this.#waiting.get(id);
    if (known) return known.done;
    const { file, runtime, maxPendingSettlements } = this.#options;
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    // it may be left alone: what is given up is told of besides
    done.catch(() => undefined);
    const settlement = { sinceMs: runtime.monotonicMs(), done, run, resolve, reject };
    if (refused) this.#giveUp(settlement, refused);
    else if (this.#waiting.size >= maxPendingSettlements) {
      this.#giveUp(settlement, refusal(file, `${maxPendingSettlements} settlements wait already.`));
    } else {
      this.#waiting.set(id, settlement);
      if (isLate) resolve();
    }
    return done;
  }

  /** It was made, or never can be. */
  end(id: string, error: Error | undefined): void {
    const settlement = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) settlement?.resolve();
    else if (settlement) this.#giveUp(settlement, error);
  }

  /** They could not be made now: nobody is kept waiting, and those that have waited too long are given up. */
  postpone(error: Error, isFirst: boolean): void {
    if (this.#waiting.size === 0) return;
    if (isFirst) this.#options.onProblem(error, 0);
    const { runtime, settleForMs } = this.#options;
    const nowMs = runtime.monotonicMs();
    for (const [id, settlement] of this.#waiting) {
      if (nowMs - settlement.sinceMs >= settleForMs) {
        this.#waiting.delete(id);
        this.#giveUp(settlement, error);
      }
      settlement.resolve();
    }
  }

  giveUpAll(error: Error): void {
    for (const settlement of this.#waiting.values()) this.#giveUp(settlement, this.#lastError ?? error);
    this.#waiting.clear();
    this.#tell();
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
    const givenUp = this.#untold;
    this.#untold = 0;
    if (givenUp > 0) this.#options.onProblem(this.#lastError as Error, givenUp);
  }
}
