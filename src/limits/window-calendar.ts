import type { Span } from './ledger.ts';
import { timeZoneOf } from './time-zone.ts';
import type { Window } from './window.ts';
import { forever, isWithin, lateMs } from './window-span.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** Days of the week as ISO 8601 orders them. */
export const weekdays = [
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const;

/** A day that a week may begin on. */
export type Weekday = (typeof weekdays)[number];

/** A local day, week or month. */
export interface CalendarOptions {
  readonly every: 'day' | 'week' | 'month';
  /** A zone of the IANA database: `Europe/Amsterdam`. @default 'UTC' */
  readonly timeZone?: string | undefined;
  /** When it begins. */
  readonly anchor?:
    | {
        /** Of a week. @default 'monday' */
        readonly weekday?: Weekday | undefined;
        /** Of a month, 1 to 31; in a shorter month its last day. @default 1 */
        readonly day?: number | undefined;
        /** Local time, 0 to 23. @default 0 */
        readonly hour?: number | undefined;
      }
    | undefined;
}

/**
 * Days, weeks or months as local clocks show them: a day has 23 or 25 hours when the clocks change, and begins at the
 * first instant that exists when its midnight is skipped. If its start occurs twice, the first counts.
 *
 * @throws RangeError for a time zone that the JavaScript engine does not know
 * @example
 * // from the 25th of each month, 06:00 in Amsterdam; from the last day of a month that is shorter
 * createCalendarWindow({ every: 'month', timeZone: 'Europe/Amsterdam', anchor: { day: 25, hour: 6 } });
 */
export function createCalendarWindow(options: CalendarOptions): Window {
  const { every, timeZone = 'UTC', anchor = {} } = options;
  const { weekday = 'monday', day = 1, hour = 0 } = anchor;
  const period = periodOf(every, weekdays.indexOf(weekday), day, hour * hourMs);
  timeZoneOf(timeZone);
  const startMs = (index: number) => timeZoneOf(timeZone).firstInstantMs(period.beginsAt(index));
  const begin = every === 'week' ? weekday : every === 'month' ? String(day) : '';
  let last: Span = forever;

  return {
    label: `per ${every}${toAnchorText(options)}${timeZone === 'UTC' ? '' : ` (${timeZone})`}`,
    // one day in UTC is the same span as 1d
    id: every === 'day' && timeZone === 'UTC' && hour === 0 ? '1d' : `${every} ${timeZone} ${begin} ${hour}`,
    spanAt(nowMs) {
      if (last !== forever && isWithin(last, nowMs)) return last;
      let index = period.indexAt(timeZoneOf(timeZone).localMs(nowMs));
      let fromMs = startMs(index);
      // a clock that was set back past a beginning shows the previous period again
      while (fromMs > nowMs) fromMs = startMs(--index);
      let untilMs = startMs(index + 1);
      while (untilMs <= nowMs) {
        fromMs = untilMs;
        untilMs = startMs(++index + 1);
      }
      last = { bucket: fromMs, buckets: [fromMs], fromMs, untilMs, forgetMs: untilMs + lateMs };
      return last;
    },
    resetsAtMs: (span) => span.untilMs,
  };
}

function toAnchorText({ every, anchor = {} }: CalendarOptions): string {
  const { weekday, day, hour = 0 } = anchor;
  const date =
    every === 'week' && weekday !== undefined
      ? ` from ${weekday}`
      : every === 'month' && day !== undefined && day !== 1
        ? ` from day ${day}`
        : '';
  if (hour === 0) return date;
  return `${date || ' from'} ${String(hour).padStart(2, '0')}:00`;
}

/** Counts the days, weeks or months of local time. */
interface Period {
  /** Local time at which one begins. */
  beginsAt(index: number): number;
  /** The one that a local time is in, or one beside it. */
  indexAt(localMs: number): number;
}

function periodOf(every: CalendarOptions['every'], weekday: number, day: number, timeMs: number): Period {
  if (every === 'month') {
    const beginsAt = (index: number) => {
      const daysInMonth = new Date(Date.UTC(0, index + 1, 0)).getUTCDate();
      return Date.UTC(0, index, Math.min(day, daysInMonth)) + timeMs;
    };
    return {
      beginsAt,
      indexAt(localMs) {
        const date = new Date(localMs);
        return (date.getUTCFullYear() - 1900) * 12 + date.getUTCMonth();
      },
    };
  }
  const lengthMs = every === 'week' ? 7 * dayMs : dayMs;
  // the epoch was a Thursday, the fourth day of its week
  const firstMs = (every === 'week' ? (weekday - 3) * dayMs : 0) + timeMs;
  return {
    beginsAt: (index) => firstMs + index * lengthMs,
    indexAt: (localMs) => Math.floor((localMs - firstMs) / lengthMs),
  };
}
