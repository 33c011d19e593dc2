import type { Span } from './ledger.ts';
import type { Window } from './window.ts';

/** How long the use of a one-off window is remembered after its end, so that it still counts when the end is moved. */
const keptMs = 30 * 86_400_000;

/**
 * One window that never comes back. Outside it nothing is admitted: a budget that has ended, or has not begun, has
 * nothing to spend (`isOpenAt`). Its end is not part of its id: moving the end, up to 30 days after it (before it, if
 * counts are kept in the memory of a process), extends the budget and does not grant it again.
 *
 * @param fromMs the first instant, milliseconds since the epoch, at least 1
 * @param untilMs the first instant after it
 * @example
 * const window = createOnceWindow(Date.UTC(2026, 5, 1), Date.UTC(2026, 8, 1));
 */
export function createOnceWindow(fromMs: number, untilMs: number): Window {
  const before: Span = { bucket: 0, buckets: [0], fromMs: 0, untilMs: fromMs, forgetMs: untilMs };
  const during: Span = { bucket: fromMs, buckets: [fromMs], fromMs, untilMs, forgetMs: untilMs + keptMs };
  const after: Span = {
    bucket: untilMs,
    buckets: [untilMs],
    fromMs: untilMs,
    untilMs: Number.POSITIVE_INFINITY,
    forgetMs: Number.POSITIVE_INFINITY,
  };
  return {
    label: `from ${toText(fromMs)} until ${toText(untilMs)}`,
    id: `once ${fromMs}`,
    spanAt: (nowMs) => (nowMs >= untilMs ? after : nowMs >= fromMs ? during : before),
    resetsAtMs: (span) => (span.bucket < fromMs ? fromMs : undefined),
    isOpenAt: (nowMs) => nowMs >= fromMs && nowMs < untilMs,
  };
}

function toText(ms: number): string {
  return new Date(ms).toISOString().replace(/(T00:00)?:00\.000Z$/, (_, midnight) => (midnight ? '' : 'Z'));
}
