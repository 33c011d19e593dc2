import type { CalendarOptions } from '../../src/limits/window-calendar.ts';

const minuteMs = 60_000;

/** What the clocks of a zone show, minute by minute: read off the engine's own text, and nothing else. */
export function createClock(timeZone: string): (instantMs: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  return (instantMs) => format.format(instantMs);
}

/** The latest time that the clocks have shown up to an instant, looking back further than any change of them reaches. */
export function createLatest(timeZone: string): (instantMs: number) => string {
  const clock = createClock(timeZone);
  const known = new Map<number, string>();
  const at = (ms: number) => {
    const text = known.get(ms) ?? clock(ms);
    known.set(ms, text);
    return text;
  };
  return (instantMs) => {
    let latest = '';
    for (let ms = instantMs - 1_500 * minuteMs; ms <= instantMs; ms += minuteMs) {
      const shown = at(ms);
      if (shown > latest) latest = shown;
    }
    return latest;
  };
}

/** Names the period that a local time (`2026-03-29 02:00`) is in by its first day, going back day by day. */
export function periodOf(local: string, { every, anchor = {} }: CalendarOptions): string {
  const { weekday = 'monday', day = 1, hour = 0 } = anchor;
  const time = `${String(hour).padStart(2, '0')}:00`;
  const date = new Date(`${local.slice(0, 10)}T00:00:00Z`);
  const step = () => date.setUTCDate(date.getUTCDate() - 1);
  if (local.slice(11) < time) step();
  const isFirst = () => {
    if (every === 'day') return true;
    if (every === 'week') {
      const name = date.toLocaleDateString('en-GB', { weekday: 'long', timeZone: 'UTC' });
      return name.toLowerCase() === weekday;
    }
    const next = new Date(date);
    next.setUTCDate(date.getUTCDate() + 1);
    const isLastOfMonth = next.getUTCMonth() !== date.getUTCMonth();
    return date.getUTCDate() === day || (isLastOfMonth && date.getUTCDate() < day);
  };
  while (!isFirst()) step();
  return date.toISOString().slice(0, 10);
}
