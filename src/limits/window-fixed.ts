import { toDuration } from './duration.ts';
import type { Span } from './ledger.ts';
import type { Window } from './window.ts';
import { forever, isWithin, lateMs } from './window-span.ts';

/**
 * Windows of one length, one after the other since the epoch. Up to twice the amount may pass within one length around
 * the end of a window; a rolling window has no such moment.
 *
 * @param label as written: `1m`. Windows of one length share an id, however they are written: `60s` is `1m`.
 * @example
 * const { untilMs } = createFixedWindow('1m', 60_000).spanAt(Date.UTC(2026, 0, 1, 12, 0, 30)); // 12:01:00
 */
export function createFixedWindow(label: string, lengthMs: number): Window {
  let last: Span = forever;
  return {
    label: `per ${label}`,
    id: toDuration(lengthMs),
    spanAt(nowMs) {
      if (last !== forever && isWithin(last, nowMs)) return last;
      const bucket = Math.floor(nowMs / lengthMs) * lengthMs;
      const untilMs = bucket + lengthMs;
      last = { bucket, buckets: [bucket], fromMs: bucket, untilMs, forgetMs: untilMs + lateMs };
      return last;
    },
    resetsAtMs: (span) => span.untilMs,
  };
}
