import type { Runtime } from '../../runtime.ts';
import { DeadlineError } from './deadline.ts';

/** Something asked of the database by id. */
export interface Identified {
  readonly id: string;
}

/** How calls are batched. */
export interface LedgerBatchesOptions<Request extends Identified, Answer> {
  readonly runtime: Runtime;
  readonly what: string;
  readonly deadlineMs: number;
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxWaiting: number;
  /** Answers to all of them, in their order; their ids differ. */
  readonly send: (requests: readonly Request[], deadlineMs: number) => Promise<readonly Answer[]>;
}

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly askedMs: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends what is asked at the same time in one statement: at once while few statements are in flight, together with more
 * under load. So a row that everybody needs is locked once for many. A statement that the server refuses is repeated
 * call by call, so that a fault in one call fails no other.
 */
export class LedgerBatches<Request extends Identified, Answer> {
  readonly #options: LedgerBatchesOptions<Request, Answer>;
  #waiting: Waiting<Request, Answer>[] = [];
  #inFlight = 0;
  #isGathering = false;

  constructor(options: LedgerBatchesOptions<Request, Answer>) {
    this.#options = options;
  }

  ask(request: Request): Promise<Answer> {
    const { runtime, what, maxWaiting } = this.#options;
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= maxWaiting) {
        reject(new Error(`PostgreSQL: ${what} failed, ${maxWaiting} calls wait already.`));
        return;
      }
      this.#waiting.push({ request, askedMs: runtime.monotonicMs(), resolve, reject });
      if (this.#isGathering) return;
      this.#isGathering = true;
      // together with what else is asked in this turn
      queueMicrotask(() => {
        this.#isGathering = false;
        this.#fill();
      });
    });
  }

  #fill(): void {
    while (this.#inFlight < this.#options.maxInFlight && this.#waiting.length > 0) {
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#inFlight++;
      void this.#run(batch).finally(() => {
        this.#inFlight--;
        this.#fill();
      });
    }
  }

  /**
   * The next `maxBatch` calls with distinct ids; the rest keep their order. A statement has the time of its oldest
   * call, so a call with less than half of it left is batched only with others like it.
   */
  #take(): Waiting<Request, Answer>[] {
    const { maxBatch, deadlineMs } = this.#options;
    const ids = new Set<string>();
    const batch: Waiting<Request, Answer>[] = [];
    const skipped: Waiting<Request, Answer>[] = [];
    let isOld = false;
    let index = 0;
    for (; index < this.#waiting.length && batch.length < maxBatch; index++) {
      const each = this.#waiting[index] as Waiting<Request, Answer>;
      const { id } = each.request;
      const leftMs = this.#leftMs(each);
      if (leftMs <= 0) {
        each.reject(this.#toLate());
        continue;
      }
      if (batch.length === 0) isOld = 2 * leftMs < deadlineMs;
      else if (isOld && 2 * leftMs >= deadlineMs) break;
      if (ids.has(id)) skipped.push(each);
      else batch.push(each);
      ids.add(id);
    }
    this.#waiting = [...skipped, ...this.#waiting.slice(index)];
    return batch;
  }

  async #run(batch: readonly Waiting<Request, Answer>[]): Promise<void> {
    const leftMs = Math.ceil(Math.min(...batch.map((each) => this.#leftMs(each))));
    try {
      if (leftMs <= 0) throw this.#toLate();
      const answers = await this.#options.send(
        batch.map(({ request }) => request),
        leftMs,
      );
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (batch.length === 1 || !isRefusal(error)) for (const { reject } of batch) reject(error);
      else for (const each of batch) await this.#run([each]);
    }
  }

  #leftMs({ askedMs }: Waiting<Request, Answer>): number {
    return askedMs + this.#options.deadlineMs - this.#options.runtime.monotonicMs();
  }

  #toLate(): DeadlineError {
    return new DeadlineError(`PostgreSQL: ${this.#options.what} failed, no answer in time.`);
  }
}

/** Whether the server refused what was sent for its content: invalid data, a constraint. */
export function isRefusal(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' && /^2[23]\w{3}$/.test(cause.code);
}
