import type { Span } from './ledger.ts';

/** How long a bucket is kept for settlements that come after its end. */
export const lateMs = 7_200_000;

/** The span of what has no window. */
export const forever: Span = {
  bucket: 0,
  buckets: [0],
  fromMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  forgetMs: Number.POSITIVE_INFINITY,
};

/** Whether an instant belongs to a span. */
export function isWithin({ fromMs, untilMs }: Span, nowMs: number): boolean {
  return nowMs >= fromMs && nowMs < untilMs;
}

/**
 * When all that is used in a span is freed, milliseconds since the epoch; undefined for never. A rolling window
 * frees its use bucket by bucket: this is the end of the last one, `Window.resetsAtMs` that of the first.
 */
export function clearsAtMs(span: Span): number | undefined {
  if (span.untilMs === Number.POSITIVE_INFINITY) return undefined;
  return span.untilMs + (span.untilMs - span.fromMs) * (span.buckets.length - 1);
}
