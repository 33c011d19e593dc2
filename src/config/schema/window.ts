import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { timeZoneOf } from '../../limits/time-zone.ts';
import { weekdays } from '../../limits/window-calendar.ts';
import { instantSchema } from './scalars.ts';

const form = 'a window is a number and a unit: 30s, 1m, 1h, 1d';

const duration = lazily(() => z.string().regex(/^[1-9]\d{0,5}(s|m|h|d)$/, { error: form }));

/** Short names for windows, each equal to what it stands for. */
const words = {
  hourly: '1h',
  daily: '1d',
  weekly: { every: 'week' },
  monthly: { every: 'month' },
} as const;

const word = lazily(() => z.enum(['hourly', 'daily', 'weekly', 'monthly']).transform((name) => words[name]));

const rolling = lazily(() =>
  z.strictObject({
    /** Length: at any instant, the use in this long before it counts. */
    rolling: duration(),
    /**
     * Buckets that the window is kept in. Use is freed at most one bucket late, never early. Changing it starts a new
     * count. Default: 12.
     */
    buckets: z.int().min(1).max(60).optional(),
  }),
);

/** A time zone that this Node knows, by its name in the IANA database. */
export const timeZoneSchema = lazily(() =>
  z.string().refine(isTimeZone, {
    error: 'no such time zone; write a name of the IANA database, such as "Europe/Amsterdam"',
  }),
);

const anchor = lazily(() =>
  z.strictObject({
    /** Day on which a week begins. Default: monday. */
    weekday: z.enum(weekdays, { error: `a weekday is one of ${weekdays.join(', ')}` }).optional(),
    /** Day on which a month begins; if a month lacks it, its last day. Default: 1. */
    day: z.int().min(1).max(31).optional(),
    /** Local hour at which it begins; if the clocks skip it, the first instant after. Default: 0. */
    hour: z.int().min(0).max(23).optional(),
  }),
);

const calendar = lazily(() =>
  z
    .strictObject({
      every: z.enum(['day', 'week', 'month'], { error: 'every is "day", "week" or "month"' }),
      /** Default: UTC. */
      timeZone: timeZoneSchema().optional(),
      anchor: anchor().optional(),
    })
    .refine(({ every, anchor }) => anchor?.weekday === undefined || every === 'week', {
      error: 'only a week begins on a weekday; remove it, or write every: "week"',
      path: ['anchor', 'weekday'],
    })
    .refine(({ every, anchor }) => anchor?.day === undefined || every === 'month', {
      error: 'only a month begins on a day of the month; remove it, or write every: "month"',
      path: ['anchor', 'day'],
    }),
);

const once = lazily(() =>
  z
    .strictObject({
      /** Nothing is admitted before this. Part of the count's identity. */
      from: instantSchema(),
      /**
       * Nothing is admitted from here on. It can be moved, up to 30 days after it: what was used still counts. Counts
       * in the memory of a process end with it: there, move it before.
       */
      until: instantSchema(),
    })
    .refine(({ from, until }) => from < until, { error: 'must lie after from', path: ['until'] }),
);

/**
 * The time over which a limit adds up: a fixed window (`1m`), a rolling one, a calendar day, week or month, one that
 * never resets, or all time.
 */
export const windowSchema = lazily(() =>
  z.union([duration(), word(), z.literal('lifetime'), rolling(), calendar(), once()], {
    error: ({ input }) => explain(input),
  }),
);

/** Says what is wrong inside a window, which a union's own error does not. */
function explain(input: unknown): string {
  if (typeof input !== 'object' || input === null) return form;
  const kind =
    'rolling' in input ? rolling() : 'every' in input ? calendar() : 'from' in input ? once() : undefined;
  if (!kind)
    return `${form}; or { rolling: "1m" }, { every: "month", timeZone }, { from, until } or "lifetime"`;
  const [issue] = kind.safeParse(input).error?.issues ?? [];
  return issue ? `${[...issue.path.map(String), ''].join(': ')}${issue.message}` : form;
}

function isTimeZone(name: string): boolean {
  // offsets such as +02:00 ignore daylight saving, which is what a zone is given for
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    timeZoneOf(name);
    return true;
  } catch {
    return false;
  }
}
