import type { Span } from './ledger.ts';
import { forever } from './window-span.ts';

export { createCalendarWindow } from './window-calendar.ts';
export { createFixedWindow } from './window-fixed.ts';
export { createOnceWindow } from './window-once.ts';
export { createRollingWindow } from './window-rolling.ts';
export { clearsAtMs } from './window-span.ts';

/** The time over which a limit adds up. Immutable; gives the same spans on every node, whatever its local time zone. */
export interface Window {
  /** As people say it: `per 1m`. Empty where there is none. */
  readonly label: string;
  /** Tells windows of different lengths and kinds apart in ledger keys; the same for two spellings of one window. */
  readonly id: string;
  /** The span of an instant; the same object as long as its bucket is the current one. */
  spanAt(nowMs: number): Span;
  /**
   * When what is used in the span starts to be freed, milliseconds since the epoch; undefined for never. No request
   * that is denied now can pass earlier, unless a hold is released.
   */
  resetsAtMs(span: Span): number | undefined;
  /** Whether anything at all is admitted at an instant. Absent for windows that are always open. */
  isOpenAt?(nowMs: number): boolean;
}

/** No window: what is used counts for ever, what is held as long as it is held. For `parallel`. */
export const noWindow: Window = {
  label: '',
  id: '',
  spanAt: () => forever,
  resetsAtMs: () => undefined,
};

/** One window for all time: what is used is never given back. */
export const lifetimeWindow: Window = {
  label: 'in all',
  id: 'lifetime',
  spanAt: () => forever,
  resetsAtMs: () => undefined,
};
