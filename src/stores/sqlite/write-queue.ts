import type { Runtime } from '../../runtime.ts';
import { refusal } from './failure.ts';

/** Writes of one process, one after another, so that they never hit each other's locks. */
export interface WriteQueue {
  /**
   * Runs `write` when those before it have ended, however they ended. `endMs` is the caller's deadline on the monotonic
   * clock, waiting in the queue included.
   *
   * @throws Error when too many are waiting already; otherwise what `write` threw
   */
  run<T>(write: (endMs: number) => Promise<T>): Promise<T>;
  /** Resolves when all earlier ones have ended. */
  idle(): Promise<void>;
}

/** At most `maxWaiting` writes wait or run; each has `patienceMs` from its call on. */
export function createWriteQueue(
  file: string,
  runtime: Runtime,
  patienceMs: number,
  maxWaiting: number,
): WriteQueue {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    run(write) {
      if (waiting >= maxWaiting) {
        return Promise.reject(refusal(file, `${maxWaiting} writes are waiting for their turn already.`));
      }
      waiting++;
      const endMs = runtime.monotonicMs() + patienceMs;
      const result = last.then(() => write(endMs));
      last = result
        .catch(() => {})
        .then(() => {
          waiting--;
          // each write waits for the disk: other work of this process goes in between
          return new Promise<void>((resolve) => setImmediate(resolve));
        });
      return result;
    },
    async idle() {
      await last;
    },
  };
}
