import type { Runtime } from '../../runtime.ts';

const maxGraceMs = 100;

/**
 * Ends as `promise` does, or rejects with `toError()` once `deadlineMs` are over. The promise itself goes on; its end
 * is handled.
 *
 * A busy process may find the deadline over before it has read an answer that came in time, or even sent its request.
 * So if the timer is late, it waits again for as long as it was late, up to 100 ms.
 */
export function withDeadline<T>(
  runtime: Runtime,
  deadlineMs: number,
  promise: Promise<T>,
  toError: () => Error,
): Promise<T> {
  const dueMs = runtime.monotonicMs() + deadlineMs;
  return new Promise((resolve, reject) => {
    // what has arrived is read before this
    const expire = () => setImmediate(() => reject(toError()));
    let cancel = runtime.schedule(Math.max(0, deadlineMs), () => {
      const lateMs = runtime.monotonicMs() - dueMs;
      if (lateMs < 10) expire();
      else cancel = runtime.schedule(Math.min(lateMs, maxGraceMs), expire);
    });
    promise.then(resolve, reject).finally(() => cancel());
  });
}
