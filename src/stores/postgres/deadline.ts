import type { Runtime } from '../../runtime.ts';

/** The time limit of a call, over all that it waits for. */
export interface Deadline {
  readonly ms: number;
  readonly isOver: boolean;
  /** Resolves and rejects as `waited` does, unless the time is over first. What is waited for goes on. */
  guard<T>(waited: PromiseLike<T>): Promise<T>;
  /** Waits this long; rejects when the time is over first. */
  sleep(ms: number): Promise<void>;
  /** Ends the time now. */
  expire(): void;
  /** Cancels the timer. */
  cancel(): void;
}

/** Why a call was given up. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  readonly code = 'ETIMEDOUT';
}

/** Starts a deadline that is `ms` away. */
export function createDeadline(runtime: Runtime, ms: number): Deadline {
  let isOver = false;
  let reject: (error: DeadlineError) => void = () => {};
  const over = new Promise<never>((_, rejectOver) => {
    reject = rejectOver;
  });
  over.catch(() => {});
  const end = (why: string): void => {
    isOver = true;
    reject(new DeadlineError(why));
  };
  const cancel = runtime.schedule(ms, () => end(`No answer within ${ms} ms.`));
  const guard = <T>(waited: PromiseLike<T>): Promise<T> => Promise.race([waited, over]);
  return {
    ms,
    get isOver() {
      return isOver;
    },
    guard,
    async sleep(sleepMs) {
      let wake = () => {};
      const slept = new Promise<void>((resolve) => {
        wake = runtime.schedule(sleepMs, resolve);
      });
      await guard(slept).finally(wake);
    },
    expire: () => end('No longer wanted.'),
    cancel,
  };
}
