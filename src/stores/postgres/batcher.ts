import type { Runtime } from '../../runtime.ts';

/** Combines questions asked at the same time into one. */
export interface Batcher<Answer> {
  /** The answer to one question; `undefined` when there is none. Rejects when its batch failed. */
  ask(id: string): Promise<Answer | undefined>;
}

/** How a batcher works. */
export interface BatcherOptions<Answer> {
  /** Answers to several questions, by id. Begins after each of them was asked, the first of them `waitedMs` ago. */
  readonly load: (ids: readonly string[], waitedMs: number) => Promise<ReadonlyMap<string, Answer>>;
  /** Most questions in one batch. */
  readonly maxBatch: number;
  /** Most batches under way; what is asked meanwhile waits for the next. */
  readonly maxInFlight: number;
  /** Most questions that wait; more are refused. */
  readonly maxWaiting: number;
  readonly runtime: Runtime;
}

interface Question<Answer> {
  readonly id: string;
  readonly askedMs: number;
  readonly resolve: (answer: Answer | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A question is sent at once while few are in flight, so that batching costs nothing under low load, and together with
 * others under high load: ten thousand cold keys then take about twenty statements.
 *
 * @example
 * const batcher = createBatcher({ load: readMany, maxBatch: 500, maxInFlight: 4, maxWaiting: 10_000, runtime });
 * await batcher.ask('Aa0000000001');
 */
export function createBatcher<Answer>(options: BatcherOptions<Answer>): Batcher<Answer> {
  const { load, maxBatch, maxInFlight, maxWaiting, runtime } = options;
  let waiting: Question<Answer>[] = [];
  let inFlight = 0;

  const send = async (): Promise<void> => {
    const [first] = waiting;
    if (inFlight >= maxInFlight || !first) return;
    inFlight++;
    const batch = waiting.slice(0, maxBatch);
    waiting = waiting.slice(maxBatch);
    void send();
    try {
      const ids = new Set(batch.map(({ id }) => id));
      const answers = await load([...ids], runtime.monotonicMs() - first.askedMs);
      for (const { id, resolve } of batch) resolve(answers.get(id));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      inFlight--;
      void send();
    }
  };
  return {
    ask: (id) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= maxWaiting) {
          reject(new Error(`PostgreSQL: ${waiting.length} questions wait already.`));
          return;
        }
        waiting.push({ id, askedMs: runtime.monotonicMs(), resolve, reject });
        // together with what else is asked in this turn
        if (waiting.length === 1) queueMicrotask(() => void send());
      }),
  };
}
