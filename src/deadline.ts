import type { Runtime } from './runtime.ts';

/** `work`, or a rejection with an error that says `what` did not answer in time. A later result is ignored. */
export function withDeadline<T>(runtime: Runtime, ms: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = runtime.schedule(ms, () =>
      reject(Object.assign(new Error(`${what} did not answer in ${ms} ms.`), { code: 'ETIMEDOUT' })),
    );
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error) => {
        cancel();
        reject(error);
      },
    );
  });
}

/** Resolves after `ms`. */
export function pause(runtime: Runtime, ms: number): Promise<void> {
  return new Promise((resolve) => {
    runtime.schedule(ms, resolve);
  });
}
