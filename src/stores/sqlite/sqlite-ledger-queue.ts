import type { Runtime } from '../../runtime.ts';
import { SettlementBook } from '../settlement-book.ts';
import { isBusy, refusal } from './failure.ts';
import { DamagedReservation } from './sqlite-ledger-record.ts';
import { again } from './sqlite-ledger-transitions.ts';
import type { LedgerTurn } from './sqlite-ledger-turn.ts';

/** The most calls, and the most settlements, in one turn. */
const turnSize = 64;
const longestBackoffMs = 1_000;

/** The bounds of the queue, as in `SqliteLedgerOptions`, and how it writes. */
export interface LedgerQueueOptions {
  readonly file: string;
  readonly runtime: Runtime;
  readonly deadlineMs: number;
  readonly maxWaiting: number;
  readonly maxPendingSettlements: number;
  readonly settleForMs: number;
  /** Runs `action` in one transaction, perhaps several times, all but the last of which are rolled back. */
  write(action: (turn: LedgerTurn) => void): Promise<void>;
  onProblem(error: Error, givenUp: number): void;
}

interface Call {
  readonly endMs: number;
  run(turn: LedgerTurn): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The result of a call or settlement in a turn; valid if the turn is. */
interface Result {
  readonly value?: unknown;
  readonly error?: unknown;
}

/**
 * Calls and settlements that wait for a turn. One turn runs at a time and takes what has gathered, so that many share
 * one transaction; a call that fails before it has written anything fails none of the others.
 */
export class LedgerQueue {
  readonly settlements: SettlementBook<(turn: LedgerTurn) => void>;
  readonly #options: LedgerQueueOptions;
  readonly #calls = new Set<Call>();
  #running: Promise<void> | undefined;
  #failures = 0;
  #isClosed = false;
  #wake = (): void => {};
  #cancelDeadline: (() => void) | undefined;

  constructor(options: LedgerQueueOptions) {
    this.#options = options;
    const { file, runtime, maxPendingSettlements: maxPending, settleForMs: giveUpMs } = options;
    this.settlements = new SettlementBook({
      ...{ runtime, maxPending, giveUpMs },
      toFull: () => refusal(file, `${maxPending} settlements wait already.`),
      onProblem: (error, givenUp) => options.onProblem(error, givenUp),
    });
  }

  /** Whether the last turn failed. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /**
   * Runs it in a turn. @throws Error when too many wait, its time is over, or the turn has failed; it was then not made
   */
  call<Value>(run: (turn: LedgerTurn) => Value | typeof again): Promise<Value> {
    const { file, maxWaiting, runtime, deadlineMs } = this.#options;
    if (this.#isClosed) return Promise.reject(refusal(file, 'the ledger was closed.'));
    if (this.#calls.size >= maxWaiting)
      return Promise.reject(refusal(file, `${maxWaiting} calls of the ledger are waiting already.`));
    return new Promise((resolve, reject) => {
      const endMs = runtime.monotonicMs() + deadlineMs;
      this.#calls.add({ endMs, run, resolve: resolve as (value: unknown) => void, reject });
      this.#watchDeadline();
      this.#wake();
      this.#start();
    });
  }

  /** Settles in a turn; see `Ledger.settle`. */
  settle(id: string, run: (turn: LedgerTurn) => void): Promise<void> {
    const refused = this.#isClosed ? refusal(this.#options.file, 'the ledger was closed.') : undefined;
    const done = this.settlements.add(id, run, this.#failures > 0, refused);
    this.#start();
    return done;
  }

  /** Makes the waiting settlements; what is not made within `deadlineMs` is given up. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.runtime.schedule(deadlineMs, resolve);
    await Promise.race([this.#running, over]);
    cancel();
    const error = refusal(this.#options.file, 'the ledger was closed.');
    this.#rejectCalls(error, () => true);
    this.settlements.giveUpAll((last) => last ?? error);
    this.#wake();
  }

  #start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    for (let number = 0; this.#calls.size + this.settlements.size > 0; number++) {
      if (this.#failures > 0 && this.#calls.size === 0) await this.#pause();
      const results = new Map<Call | string, Result>();
      try {
        await this.#options.write((turn) => {
          results.clear();
          this.#takeTurn(turn, results, number);
        });
      } catch (error) {
        this.#fail(error as Error);
        continue;
      }
      this.#failures = 0;
      for (const [one, { value, error }] of results) {
        if (typeof one === 'string') this.settlements.end(one, error as Error | undefined);
        else {
          this.#calls.delete(one);
          if (error === undefined) one.resolve(value);
          else one.reject(error);
        }
      }
    }
    // in the same step as the last look: whoever comes later starts again
    this.#running = undefined;
  }

  #takeTurn(turn: LedgerTurn, results: Map<Call | string, Result>, number: number): void {
    // on a nearly full disk there may be room for what only changes rows, but not for what adds some
    const isMixed = this.#failures === 0;
    const isFor = (one: 'calls' | 'settlements'): boolean =>
      isMixed ||
      this.#calls.size === 0 ||
      this.settlements.size === 0 ||
      (number % 2 === 0) === (one === 'calls');
    // first, since they free what calls may need
    if (isFor('settlements')) {
      let left = turnSize;
      for (const [id, { letter }] of this.settlements) {
        if (left-- === 0 || (results.size > 0 && !turn.hasTime())) break;
        results.set(id, attempt(turn, letter));
      }
    }
    if (!isFor('calls')) return;
    let left = turnSize;
    for (const call of this.#calls) {
      if (left-- === 0 || (results.size > 0 && !turn.hasTime())) break;
      const result = attempt(turn, call.run);
      if (result.value !== again) results.set(call, result);
    }
  }

  #fail(error: Error): void {
    this.#failures++;
    // if others merely hold the lock, each call has its own time; otherwise all would meet the same failure
    if (!isBusy(error.cause)) this.#rejectCalls(error, () => true);
    this.settlements.postpone(error, this.#failures === 1);
  }

  /** Rejects calls when their time is over. No call that is made is rejected: a turn runs and ends in one go. */
  #watchDeadline(): void {
    const { runtime, file, deadlineMs } = this.#options;
    if (this.#cancelDeadline) return;
    const [first] = this.#calls;
    if (first === undefined) return;
    this.#cancelDeadline = runtime.schedule(Math.max(1, first.endMs - runtime.monotonicMs()), () => {
      this.#cancelDeadline = undefined;
      const nowMs = runtime.monotonicMs();
      const reason = `the ledger had no turn within ${deadlineMs} ms: other writers have the lock, or the disk is slow.`;
      const late = Object.assign(refusal(file, reason), { code: 'ETIMEDOUT' });
      this.#rejectCalls(late, ({ endMs }) => endMs <= nowMs);
      this.#watchDeadline();
    });
  }

  #rejectCalls(error: Error, isOver: (call: Call) => boolean): void {
    for (const call of this.#calls) {
      if (!isOver(call)) return;
      this.#calls.delete(call);
      call.reject(error);
    }
  }

  async #pause(): Promise<void> {
    const { runtime } = this.#options;
    const fullMs = Math.min(longestBackoffMs, 50 * 2 ** Math.min(this.#failures - 1, 10));
    await new Promise<void>((resolve) => {
      const cancel = runtime.schedule(fullMs * (0.5 + runtime.random() / 2), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Only a failure of the database fails the turn. */
function attempt(turn: LedgerTurn, run: (turn: LedgerTurn) => unknown): Result {
  try {
    return { value: run(turn) };
  } catch (error) {
    if (error instanceof DamagedReservation) return { error };
    throw error;
  }
}
