import type { RouteMatch } from '../../config/snapshot.ts';
import { timeZoneOf } from '../../limits/time-zone.ts';

/** A recurring span of time. */
export interface RecurringTime {
  /** Whether it contains an instant, in milliseconds since the epoch. */
  has(nowMs: number): boolean;
  /** The local time of an instant, for people. */
  show(nowMs: number): string;
  readonly label: string;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
// in the order of getUTCDay
const names = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/** Compiles a span between two times of day, on some days, in a zone; if it ends before it begins, on the next day. */
export function compileTime({ days, from, to, timeZone }: NonNullable<RouteMatch['time']>): RecurringTime {
  const zone = timeZoneOf(timeZone);
  const begin = toMs(from ?? '00:00');
  const end = to === undefined || to === '00:00' ? dayMs : toMs(to);
  const on = new Set<string>(days ?? names);
  let minute = -1;
  let isIn = false;

  function find(nowMs: number): boolean {
    const localMs = zone.localMs(nowMs);
    const date = new Date(localMs);
    const time = ((localMs % dayMs) + dayMs) % dayMs;
    const today = names[date.getUTCDay()] as string;
    if (end > begin) return on.has(today) && time >= begin && time < end;
    const yesterday = names[(date.getUTCDay() + 6) % 7] as string;
    return (on.has(today) && time >= begin) || (on.has(yesterday) && time < end);
  }

  return {
    has(nowMs) {
      // computing the local time costs more than the rest of a route, and spans begin and end on whole minutes
      const now = Math.floor(nowMs / minuteMs);
      if (now !== minute) {
        isIn = find(nowMs);
        minute = now;
      }
      return isIn;
    },
    show(nowMs) {
      const date = new Date(zone.localMs(nowMs));
      return `${names[date.getUTCDay()]} ${date.toISOString().slice(11, 16)}`;
    },
    label: `${days ? `${days.join(' ')} ` : ''}${from ?? '00:00'} to ${to ?? '24:00'} (${timeZone})`,
  };
}

function toMs(clock: string): number {
  return Number(clock.slice(0, 2)) * 60 * minuteMs + Number(clock.slice(3)) * minuteMs;
}
