import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clearsAtMs,
  createCalendarWindow,
  createFixedWindow,
  createOnceWindow,
  createRollingWindow,
  lifetimeWindow,
  noWindow,
  type Window,
} from '../../src/limits/window.ts';

const instant = fc.integer({ min: 1, max: 4_102_444_800_000 });
const windows: [string, Window][] = [
  ['fixed', createFixedWindow('1m', 60_000)],
  ['fixed of an odd length', createFixedWindow('7s', 7_000)],
  ['rolling', createRollingWindow('1m', 60_000)],
  ['rolling over a second', createRollingWindow('1s', 1_000)],
  ['rolling in one bucket', createRollingWindow('1h', 3_600_000, 1)],
  ['calendar', createCalendarWindow({ every: 'week', timeZone: 'America/Santiago' })],
  ['once', createOnceWindow(1_000_000_000_000, 2_000_000_000_000)],
  ['lifetime', lifetimeWindow],
  ['absent', noWindow],
];

describe.each(windows)('a window that is %s', (_, window) => {
  it('gives each instant a span that it lies in, with its bucket the last of those added up', () => {
    fc.assert(
      fc.property(instant, (nowMs) => {
        const { bucket, buckets, fromMs, untilMs, forgetMs } = window.spanAt(nowMs);
        expect(fromMs <= nowMs && nowMs < untilMs).toBe(true);
        expect(buckets.at(-1)).toBe(bucket);
        expect(buckets).toEqual([...buckets].sort((one, other) => one - other));
        expect(forgetMs).toBeGreaterThanOrEqual(untilMs);
      }),
    );
  });

  it('gives two instants one bucket if they are in one span, and otherwise the later the larger', () => {
    fc.assert(
      fc.property(instant, fc.oneof(instant, fc.integer({ min: 1, max: 200_000 })), (one, distance) => {
        const first = window.spanAt(one);
        const second = window.spanAt(one + distance);
        if (one + distance < first.untilMs) expect(second).toBe(first);
        else expect(second.bucket).toBeGreaterThan(first.bucket);
      }),
    );
  });

  it('is never reset before its span ends', () => {
    fc.assert(
      fc.property(instant, (nowMs) => {
        const span = window.spanAt(nowMs);
        const resetsAtMs = window.resetsAtMs(span);
        if (resetsAtMs === undefined) return;
        expect(resetsAtMs).toBe(span.untilMs);
        expect(resetsAtMs).toBeGreaterThan(nowMs);
        expect(clearsAtMs(span)).toBeGreaterThanOrEqual(resetsAtMs);
      }),
    );
  });
});

describe('a fixed window', () => {
  it('has one id for one length, however it is written', () => {
    expect(createFixedWindow('60s', 60_000).id).toBe(createFixedWindow('1m', 60_000).id);
    expect(createFixedWindow('24h', 86_400_000).id).toBe('1d');
    expect(createFixedWindow('90s', 90_000).id).toBe('90s');
    // a day of the calendar in UTC is the same days
    const day = createCalendarWindow({ every: 'day' });
    expect(day.id).toBe('1d');
    const fixed = createFixedWindow('1d', 86_400_000);
    fc.assert(
      fc.property(instant, (nowMs) => {
        expect(day.spanAt(nowMs)).toEqual(fixed.spanAt(nowMs));
      }),
    );
  });
});

describe('a rolling window', () => {
  const lengths = fc.constantFrom(1_000, 7_000, 60_000, 3_600_000);
  const bucketCounts = fc.integer({ min: 1, max: 60 });

  /** Admits what fits, as a ledger does. */
  function admit(window: Window, amount: number, requests: readonly { atMs: number; size: number }[]) {
    const buckets = new Map<number, number>();
    return requests.filter(({ atMs, size }) => {
      const span = window.spanAt(atMs);
      const used = span.buckets.reduce((sum, bucket) => sum + (buckets.get(bucket) ?? 0), 0);
      if (used + size > amount) return false;
      buckets.set(span.bucket, (buckets.get(span.bucket) ?? 0) + size);
      return true;
    });
  }

  const traffic = (lengthMs: number) =>
    fc
      .array(
        fc.record({
          gapMs: fc.oneof(
            fc.integer({ min: 0, max: Math.ceil(lengthMs / 6) }),
            fc.integer({ min: lengthMs - 2, max: lengthMs + 2 }),
          ),
          size: fc.integer({ min: 1, max: 5 }),
        }),
        { minLength: 1, maxLength: 60 },
      )
      .map((steps) => {
        let atMs = 1_800_000_000_000 + steps.length * 137;
        return steps.map(({ gapMs, size }) => {
          atMs += gapMs;
          return { atMs, size };
        });
      });
  const cases = fc
    .tuple(lengths, bucketCounts)
    .chain(([lengthMs, bucketCount]) =>
      traffic(lengthMs).map((requests) => ({ lengthMs, bucketCount, requests })),
    );

  it('never admits more than its amount in any interval of its length, wherever it begins', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 5, max: 12 }), ({ lengthMs, bucketCount, requests }, amount) => {
        const admitted = admit(createRollingWindow('', lengthMs, bucketCount), amount, requests);
        for (const { atMs: endMs } of admitted) {
          const inside = admitted.filter(({ atMs }) => atMs <= endMs && atMs >= endMs - lengthMs);
          expect(inside.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(amount);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('refuses nothing that would fit if its length were one bucket longer', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 5, max: 12 }), ({ lengthMs, bucketCount, requests }, amount) => {
        const window = createRollingWindow('', lengthMs, bucketCount);
        const admitted = new Set(admit(window, amount, requests));
        const { fromMs, untilMs } = window.spanAt(0);
        // whole milliseconds may make the buckets cover a little more than the length
        const reachMs = (window.spanAt(0).buckets.length - 1) * (untilMs - fromMs) + (untilMs - fromMs);
        expect(reachMs).toBeLessThan(lengthMs + 2 * (untilMs - fromMs));
        for (const refused of requests.filter((request) => !admitted.has(request))) {
          const before = [...admitted].filter(
            ({ atMs }) => atMs <= refused.atMs && atMs > refused.atMs - reachMs,
          );
          const used = before.reduce((sum, { size }) => sum + size, 0);
          expect(used + refused.size).toBeGreaterThan(amount);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has 12 buckets and the partial one, frees the oldest at its reset and the newest when it is clear', () => {
    const window = createRollingWindow('1m', 60_000);
    const span = window.spanAt(1_800_000_007_000);
    expect(span.buckets).toHaveLength(13);
    expect(span).toMatchObject({ bucket: 1_800_000_005_000, untilMs: 1_800_000_010_000 });
    const next = window.spanAt(window.resetsAtMs(span) as number);
    expect(next.buckets).not.toContain(span.buckets[0]);
    const clearMs = clearsAtMs(span) as number;
    expect(window.spanAt(clearMs - 1).buckets).toContain(span.bucket);
    expect(window.spanAt(clearMs).buckets).not.toContain(span.bucket);
    expect(span.forgetMs).toBeGreaterThan(clearMs);
  });

  it('of a second has whole milliseconds and still covers its length', () => {
    const { buckets, bucket } = createRollingWindow('1s', 1_000).spanAt(1_800_000_000_123);
    expect(buckets.every(Number.isInteger)).toBe(true);
    expect(bucket - (buckets[0] as number)).toBeGreaterThanOrEqual(1_000);
  });

  it('counts apart from a fixed one, and from one with other buckets', () => {
    const ids = [
      createFixedWindow('1m', 60_000).id,
      createRollingWindow('1m', 60_000).id,
      createRollingWindow('1m', 60_000, 6).id,
      createRollingWindow('1h', 3_600_000).id,
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(createRollingWindow('60s', 60_000, 12).id).toBe(ids[1]);
  });
});

describe('a one-off window', () => {
  const from = Date.UTC(2026, 5, 1);
  const until = Date.UTC(2026, 8, 1);
  const window = createOnceWindow(from, until);

  it('is open between its two ends alone', () => {
    expect([from - 1, from, until - 1, until].map((ms) => window.isOpenAt?.(ms))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('tells those who come early when it opens, and nobody of a reset after that', () => {
    expect(window.resetsAtMs(window.spanAt(from - 1))).toBe(from);
    expect(window.resetsAtMs(window.spanAt(from))).toBeUndefined();
    expect(window.resetsAtMs(window.spanAt(until))).toBeUndefined();
  });

  it('counts on when its end is moved, and anew when its beginning is', () => {
    const longer = createOnceWindow(from, until + 86_400_000);
    expect(longer.id).toBe(window.id);
    expect(longer.spanAt(until).bucket).toBe(window.spanAt(from).bucket);
    expect(window.spanAt(from).forgetMs).toBeGreaterThan(until + 29 * 86_400_000);
    expect(createOnceWindow(from + 1_000, until).id).not.toBe(window.id);
  });

  it('says its days, or its instants', () => {
    expect(window.label).toBe('from 2026-06-01 until 2026-09-01');
    expect(createOnceWindow(from, from + 3_600_000).label).toBe('from 2026-06-01 until 2026-06-01T01:00Z');
    expect(createOnceWindow(from, from + 90_500).label).toBe(
      'from 2026-06-01 until 2026-06-01T00:01:30.500Z',
    );
  });
});
