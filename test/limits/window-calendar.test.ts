import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { timeZoneOf } from '../../src/limits/time-zone.ts';
import { type CalendarOptions, createCalendarWindow, weekdays } from '../../src/limits/window-calendar.ts';
import { createLatest, periodOf } from './calendar-model.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;
const zones = [
  'Europe/Amsterdam',
  'America/Havana',
  'America/Santiago',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Asia/Kathmandu',
  'UTC',
];

/** The instants, to the minute, at which the clocks of a zone are changed, from 2005 to 2030. */
function changesOf(timeZone: string): number[] {
  const { localMs } = timeZoneOf(timeZone);
  const changes: number[] = [];
  const until = Date.UTC(2031, 0, 1);
  let offset = Number.NaN;
  for (let ms = Date.UTC(2005, 0, 1); ms < until; ms += 12 * hourMs) {
    const next = localMs(ms) - ms;
    if (!Number.isNaN(offset) && next !== offset) {
      let change = ms;
      while (localMs(change - hourMs) - (change - hourMs) === next) change -= hourMs;
      while (localMs(change - minuteMs) - (change - minuteMs) === next) change -= minuteMs;
      changes.push(change);
    }
    offset = next;
  }
  return changes;
}

const anchors = fc.oneof(
  fc.record({ every: fc.constant('day' as const), hour: fc.integer({ min: 0, max: 23 }) }),
  fc.record({
    every: fc.constant('week' as const),
    hour: fc.integer({ min: 0, max: 23 }),
    weekday: fc.constantFrom(...weekdays),
  }),
  fc.record({
    every: fc.constant('month' as const),
    hour: fc.integer({ min: 0, max: 23 }),
    day: fc.integer({ min: 1, max: 31 }),
  }),
);

describe('a calendar window', () => {
  it.each(zones)('in %s is what the clocks show, minute by minute', (timeZone) => {
    const latest = createLatest(timeZone);
    const changes = changesOf(timeZone);
    const anywhere = fc.integer({
      min: Date.UTC(2005, 0, 1) / minuteMs,
      max: Date.UTC(2030, 0, 1) / minuteMs,
    });
    const nearChange =
      changes.length === 0
        ? anywhere
        : fc
            .tuple(
              fc.constantFrom(...changes),
              fc.oneof(fc.integer({ min: -90, max: 90 }), fc.integer({ min: -2_160, max: 1_440 })),
            )
            .map(([ms, minutes]) => ms / minuteMs + minutes);
    fc.assert(
      fc.property(anchors, fc.oneof(anywhere, nearChange), ({ every, ...anchor }, minutes) => {
        const options: CalendarOptions = { every, timeZone, anchor };
        const nowMs = minutes * minuteMs;
        const { fromMs, untilMs } = createCalendarWindow(options).spanAt(nowMs);
        const periodAt = (ms: number) => periodOf(latest(ms), options);
        const current = periodAt(nowMs);
        expect(fromMs <= nowMs && nowMs < untilMs).toBe(true);
        expect([fromMs % minuteMs, untilMs % minuteMs]).toEqual([0, 0]);
        expect([periodAt(fromMs), periodAt(untilMs - minuteMs)]).toEqual([current, current]);
        expect(periodAt(fromMs - minuteMs) < current).toBe(true);
        expect(periodAt(untilMs) > current).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('follows the one before it without a gap, whatever instants it is asked for', () => {
    fc.assert(
      fc.property(
        anchors,
        fc.constantFrom(...zones),
        fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }),
        fc.integer({ min: -400 * 24 * hourMs, max: 400 * 24 * hourMs }),
        ({ every, ...anchor }, timeZone, nowMs, jumpMs) => {
          const window = createCalendarWindow({ every, timeZone, anchor });
          const span = window.spanAt(nowMs);
          const next = window.spanAt(span.untilMs);
          expect(next.fromMs).toBe(span.untilMs);
          expect(next.bucket).toBeGreaterThan(span.bucket);
          expect(window.spanAt(next.fromMs - 1)).toEqual(span);
          // a clock that is set anew finds the same spans as one that never was
          window.spanAt(nowMs + jumpMs);
          expect(window.spanAt(nowMs)).toEqual(span);
        },
      ),
    );
  });

  const hours = (options: CalendarOptions, at: string) => {
    const { fromMs, untilMs } = createCalendarWindow(options).spanAt(Date.parse(at));
    return [new Date(fromMs).toISOString().slice(0, 16), (untilMs - fromMs) / hourMs];
  };

  it('of a day has 23 or 25 hours when the clocks are changed, and 24.5 where they move by half an hour', () => {
    const day = (timeZone: string): CalendarOptions => ({ every: 'day', timeZone });
    expect(hours(day('Europe/Amsterdam'), '2026-03-29T12:00:00Z')).toEqual(['2026-03-28T23:00', 23]);
    expect(hours(day('Europe/Amsterdam'), '2026-10-25T12:00:00Z')).toEqual(['2026-10-24T22:00', 25]);
    expect(hours(day('Australia/Lord_Howe'), '2026-04-05T01:00:00Z')).toEqual(['2026-04-04T13:00', 24.5]);
    expect(hours(day('Asia/Kathmandu'), '2026-04-05T01:00:00Z')).toEqual(['2026-04-04T18:15', 24]);
  });

  it('begins at the first instant that exists when its midnight is skipped', () => {
    expect(hours({ every: 'day', timeZone: 'America/Havana' }, '2026-03-08T12:00:00Z')).toEqual([
      '2026-03-08T05:00',
      23,
    ]);
    expect(hours({ every: 'day', timeZone: 'America/Santiago' }, '2026-09-06T12:00:00Z')).toEqual([
      '2026-09-06T04:00',
      23,
    ]);
  });

  it('begins at the first of two midnights, and knows no day that a place has left out', () => {
    expect(hours({ every: 'day', timeZone: 'America/Havana' }, '2026-11-01T12:00:00Z')).toEqual([
      '2026-11-01T04:00',
      25,
    ]);
    // in the night to 7 November 2010 it was 00:00 twice, and the 6th once more from 23:01
    const stJohns: CalendarOptions = { every: 'day', timeZone: 'America/St_Johns' };
    for (const at of ['2010-11-07T02:30:00Z', '2010-11-07T03:00:00Z', '2010-11-07T12:00:00Z']) {
      expect(hours(stJohns, at)).toEqual(['2010-11-07T02:30', 25]);
    }
    // 30 December 2011 was skipped in Samoa
    const apia: CalendarOptions = { every: 'day', timeZone: 'Pacific/Apia' };
    expect(hours(apia, '2011-12-30T09:59:00Z')).toEqual(['2011-12-29T10:00', 24]);
    expect(hours(apia, '2011-12-30T10:00:00Z')).toEqual(['2011-12-30T10:00', 24]);
  });

  it('of a month from the 31st begins on the last day of a month that is shorter', () => {
    const options: CalendarOptions = { every: 'month', anchor: { day: 31 } };
    const starts = ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30', '2028-02-29'];
    for (const date of starts) {
      expect(hours(options, `${date}T00:00:00Z`)[0]).toBe(`${date}T00:00`);
      expect(hours(options, `${date}T23:00:00Z`)[0]).toBe(`${date}T00:00`);
    }
    expect(hours(options, '2026-03-30T23:59:00Z')[0]).toBe('2026-02-28T00:00');
  });

  it('of a week begins on Monday unless another day is said', () => {
    expect(hours({ every: 'week' }, '2026-11-22T23:59:00Z')).toEqual(['2026-11-16T00:00', 168]);
    expect(hours({ every: 'week', anchor: { weekday: 'sunday', hour: 6 } }, '2026-11-22T05:00:00Z')[0]).toBe(
      '2026-11-15T06:00',
    );
  });

  it('is one object for all instants of a span, and is looked up once', () => {
    const window = createCalendarWindow({ every: 'month', timeZone: 'Europe/Amsterdam' });
    const span = window.spanAt(Date.UTC(2026, 4, 2));
    expect(window.spanAt(Date.UTC(2026, 4, 30))).toBe(span);
    expect(window.resetsAtMs(span)).toBe(Date.UTC(2026, 4, 31, 22));
  });

  it('is refused in a time zone that does not exist', () => {
    expect(() => createCalendarWindow({ every: 'day', timeZone: 'Mars/Base' })).toThrow(RangeError);
  });

  it('says what it is', () => {
    const labelOf = (options: CalendarOptions) => createCalendarWindow(options).label;
    expect(labelOf({ every: 'day' })).toBe('per day');
    expect(labelOf({ every: 'day', anchor: { hour: 6 } })).toBe('per day from 06:00');
    expect(labelOf({ every: 'month', timeZone: 'Europe/Amsterdam', anchor: { day: 25, hour: 6 } })).toBe(
      'per month from day 25 06:00 (Europe/Amsterdam)',
    );
    expect(labelOf({ every: 'week', anchor: { weekday: 'sunday' } })).toBe('per week from sunday');
  });

  describe('whatever the time zone of the machine', () => {
    const own = process.env.TZ;
    afterEach(() => {
      if (own === undefined) delete process.env.TZ;
      else process.env.TZ = own;
    });

    it('has the same spans', () => {
      const spans = ['UTC', 'Asia/Tokyo', 'America/Havana', 'Pacific/Apia'].map((local) => {
        process.env.TZ = local;
        return zones.map((timeZone) =>
          createCalendarWindow({ every: 'month', timeZone, anchor: { day: 31, hour: 2 } }).spanAt(
            1_793_000_000_000,
          ),
        );
      });
      for (const others of spans) expect(others).toEqual(spans[0]);
      expect(new Set(spans[0]?.map(({ fromMs }) => fromMs)).size).toBeGreaterThan(4);
    });
  });
});
