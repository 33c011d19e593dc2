import type { Runtime } from '../../runtime.ts';

/** A ledger that did not answer in time; what it did with the call is not known. */
export class LedgerTimeout extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(ms: number) {
    super(`The ledger did not answer in ${ms} ms.`);
    this.name = 'LedgerTimeout';
  }
}

/**
 * `work`, or a rejection with `LedgerTimeout` after `ms`. What comes of it later goes to `onLate`: a reservation that was
 * granted after nobody waited for it any more must be given back.
 */
export function withinDeadline<Value>(
  runtime: Runtime,
  ms: number,
  work: Promise<Value>,
  onLate?: (value: Value) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const cancel = runtime.schedule(ms, () => {
      isLate = true;
      reject(new LedgerTimeout(ms));
    });
    work.then(
      (value) => {
        cancel();
        if (isLate) onLate?.(value);
        else resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
