import type { Runtime } from '../runtime.ts';

/** One of two ways to the same result. */
export interface Racer<Result> {
  /** Begins; undefined when this way does not exist after all. */
  begin(): Promise<Result> | undefined;
  /** Ends it: the other one was faster. */
  lose(): void;
  /** Discards a result that came all the same. */
  discard(result: Result): void;
}

/**
 * Begins the first, and the second when the first has no result after `afterMs`; a failure of the first before that is
 * a result. The faster one wins, and the other one is ended. When both fail, the first one's failure counts.
 */
export function hedge<Result>(
  first: Racer<Result>,
  second: Racer<Result>,
  afterMs: number,
  runtime: Pick<Runtime, 'schedule'>,
): Promise<{ readonly result: Result; readonly winner: Racer<Result> }> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let failed: { readonly error: unknown } | undefined;
    let running = 0;
    const run = (racer: Racer<Result>, other: Racer<Result>) => {
      const promise = begun(racer);
      if (!promise) return;
      running++;
      promise.then(
        (result) => {
          running--;
          if (isOver) {
            racer.discard(result);
            return;
          }
          isOver = true;
          cancel();
          if (running > 0) other.lose();
          resolve({ result, winner: racer });
        },
        (error: unknown) => {
          running--;
          if (racer === first || !failed) failed = { error };
          cancel();
          if (running > 0 || isOver) return;
          isOver = true;
          reject(failed.error);
        },
      );
    };
    const cancel = runtime.schedule(afterMs, () => run(second, first));
    run(first, second);
  });
}

/** One that cannot begin has failed. */
function begun<Result>(racer: Racer<Result>): Promise<Result> | undefined {
  try {
    return racer.begin();
  } catch (error) {
    return Promise.reject(error);
  }
}
