import type { Runtime } from '../../runtime.ts';

/** A ledger did not answer in time; what it did with the call is unknown. */
export class LedgerTimeout extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(ms: number) {
    super(`The ledger did not answer in ${ms} ms.`);
    this.name = 'LedgerTimeout';
  }
}

/** A timer later than this was held up by the process. */
const punctualMs = 10;
const maxGraceMs = 100;

/**
 * `work`, or a rejection with `LedgerTimeout` after `ms`. A later result goes to `onLate`: a reservation granted when
 * nobody waits for it any more must be given back.
 *
 * A blocked process finds the deadline over before it has read an answer that came in time. So if the timer is late, it
 * waits as long again as it is late, up to 100 ms.
 */
export function withinDeadline<Value>(
  runtime: Runtime,
  ms: number,
  work: Promise<Value>,
  onLate?: (value: Value) => void,
): Promise<Value> {
  const dueMs = runtime.monotonicMs() + ms;
  return new Promise((resolve, reject) => {
    let isLate = false;
    const giveUp = (): void => {
      isLate = true;
      reject(new LedgerTimeout(ms));
    };
    let cancel = runtime.schedule(ms, () => {
      const lateMs = runtime.monotonicMs() - dueMs;
      if (lateMs < punctualMs) giveUp();
      else cancel = runtime.schedule(Math.min(lateMs, maxGraceMs), giveUp);
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
