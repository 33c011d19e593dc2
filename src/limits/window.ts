import type { Span } from './ledger.ts';

/** The time over which a limit adds up. Immutable; gives the same spans on every node. */
export interface Window {
  /** As people say it: `per 1m`. Empty where there is none. */
  readonly label: string;
  /** Tells windows of different lengths and kinds apart in ledger keys. */
  readonly id: string;
  /** The span of an instant; the same object as long as its bucket is the current one. */
  spanAt(nowMs: number): Span;
  /** When what is used in the span begins to count no more, milliseconds since the epoch; undefined for never. */
  resetsAtMs(span: Span): number | undefined;
}

const forever: Span = {
  bucket: 0,
  buckets: [0],
  fromMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  forgetMs: Number.POSITIVE_INFINITY,
};

/** No window: what is used counts for ever, what is held as long as it is held. */
export const noWindow: Window = {
  label: '',
  id: '',
  spanAt: () => forever,
  resetsAtMs: () => undefined,
};

/** How long a bucket is kept for settlements that come after its end. */
const lateMs = 7_200_000;

/** Windows of one length, one after the other since the epoch. @param label as written: `1m` */
export function createFixedWindow(label: string, lengthMs: number): Window {
  let last: Span = forever;
  return {
    label: `per ${label}`,
    id: label,
    spanAt(nowMs) {
      if (last !== forever && nowMs >= last.fromMs && nowMs < last.untilMs) return last;
      const bucket = Math.floor(nowMs / lengthMs) * lengthMs;
      const untilMs = bucket + lengthMs;
      last = { bucket, buckets: [bucket], fromMs: bucket, untilMs, forgetMs: untilMs + lateMs };
      return last;
    },
    resetsAtMs: (span) => span.untilMs,
  };
}
