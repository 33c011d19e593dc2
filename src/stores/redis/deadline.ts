import type { Runtime } from '../../runtime.ts';

const maxGraceMs = 100;

/**
 * What `promise` becomes, or an Error of `toError` once `deadlineMs` are over. The promise itself goes on; its end is
 * handled.
 *
 * A process that was busy finds the deadline over before it has read an answer that came in time, or has even sent
 * what it asks. So where the timer is late, it waits as long again as it is late, up to 100 ms.
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
