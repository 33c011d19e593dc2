import { toDuration } from './duration.ts';
import type { Span } from './ledger.ts';
import type { Window } from './window.ts';
import { forever, isWithin, lateMs } from './window-span.ts';

/** Buckets of a rolling window, besides the partial one. */
export const defaultRollingBuckets = 12;

/**
 * The last `lengthMs` before each instant. Kept as buckets: the current one, and as many before it as cover the length.
 * So no interval of the window's length ever admits more than the amount, and what is used is freed at most one bucket
 * (a twelfth of the window by default) later than it could be.
 *
 * @param label as written: `1m`
 * @param bucketCount buckets that the window is divided into; more are finer and cost more in the ledger
 * @example
 * const window = createRollingWindow('1m', 60_000); // 13 buckets of 5 s, the current one included
 */
export function createRollingWindow(
  label: string,
  lengthMs: number,
  bucketCount: number = defaultRollingBuckets,
): Window {
  // whole milliseconds, in all never shorter than the window
  const bucketMs = Math.ceil(lengthMs / bucketCount);
  const earlier = Math.ceil(lengthMs / bucketMs);
  let last: Span = forever;
  return {
    label: `in any ${label}`,
    id: `rolling ${toDuration(lengthMs)}${bucketCount === defaultRollingBuckets ? '' : ` in ${bucketCount}`}`,
    spanAt(nowMs) {
      if (last !== forever && isWithin(last, nowMs)) return last;
      const bucket = Math.floor(nowMs / bucketMs) * bucketMs;
      const buckets: number[] = [];
      for (let age = earlier; age >= 0; age--) buckets.push(bucket - age * bucketMs);
      const untilMs = bucket + bucketMs;
      last = {
        bucket,
        buckets,
        fromMs: bucket,
        untilMs,
        forgetMs: untilMs + earlier * bucketMs + lateMs,
      };
      return last;
    },
    resetsAtMs: (span) => span.untilMs,
  };
}
