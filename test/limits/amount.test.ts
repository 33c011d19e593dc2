import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amountAt, amountChangesAtMs, thresholdsCrossed } from '../../src/limits/amount.ts';
import { toLimit, type WrittenLimit } from '../../src/limits/limit.ts';

const limitOf = (more: Partial<WrittenLimit>) =>
  toLimit({ unit: 'usd', amount: 10, window: '1d', mode: 'block', ...more }, 'team t', 'team');

describe('the amount of a limit', () => {
  const raised = limitOf({
    raises: [
      { amount: '12.5', until: 3_000 },
      { amount: 20, until: 2_000 },
    ],
  });

  it('is the highest raise that has not ended, and what is written once all have', () => {
    const dollars = (nowMs: number) => amountAt(raised, nowMs) / 1e9;
    expect([0, 1_999, 2_000, 2_999, 3_000].map(dollars)).toEqual([20, 20, 12.5, 12.5, 10]);
  });

  it('is nothing outside of a one-off window', () => {
    const once = limitOf({ window: { from: 1_000, until: 4_000 }, raises: [{ amount: 11, until: 2_000 }] });
    expect([999, 1_000, 2_000, 3_999, 4_000].map((ms) => amountAt(once, ms) / 1e9)).toEqual([
      0, 11, 10, 10, 0,
    ]);
    expect([999, 1_000, 2_000, 4_000].map((ms) => amountChangesAtMs(once, ms))).toEqual([
      1_000,
      2_000,
      4_000,
      undefined,
    ]);
  });

  it('changes by itself when a raise ends, and otherwise never', () => {
    expect([0, 2_000, 3_000].map((ms) => amountChangesAtMs(raised, ms))).toEqual([2_000, 3_000, undefined]);
    expect(amountChangesAtMs(limitOf({}), 0)).toBeUndefined();
  });

  it('is never -0, which a store would keep as something else', () => {
    expect(Object.is(limitOf({ amount: -0 }).amount, 0)).toBe(true);
    expect(Object.is(limitOf({ unit: 'requests', amount: -0 }).amount, 0)).toBe(true);
  });
});

describe('the thresholds of a limit', () => {
  it('are 50, 80 and 100 percent in mode warn, and none in others, unless they are written', () => {
    expect(limitOf({ mode: 'warn' }).thresholds).toEqual([50, 80, 100]);
    expect(limitOf({}).thresholds).toEqual([]);
    expect(limitOf({ mode: 'shadow' }).thresholds).toEqual([]);
    expect(limitOf({ thresholds: [100, 80, 80] }).thresholds).toEqual([80, 100]);
    expect(limitOf({ mode: 'warn', thresholds: [] }).thresholds).toEqual([]);
  });

  it.each([
    [0, 49, []],
    [0, 50, [50]],
    [49, 81, [50, 80]],
    [50, 79, []],
    [79, 100, [80, 100]],
    [100, 500, []],
    [90, 10, []],
  ])('crossed from %i to %i of 100 are %j', (before, after, expected) => {
    expect(thresholdsCrossed({ thresholds: [50, 80, 100], amount: 100 }, before, after)).toEqual(expected);
  });

  it('are all crossed by the first use of an amount of 0, and follow a raise', () => {
    expect(thresholdsCrossed({ thresholds: [50, 100], amount: 0 }, 0, 1)).toEqual([50, 100]);
    expect(thresholdsCrossed({ thresholds: [50, 100], amount: 0 }, 0, 0)).toEqual([]);
    expect(thresholdsCrossed({ thresholds: [50, 100], amount: 10 }, 0, 10, 20)).toEqual([50]);
  });

  it('are each crossed once, in whatever steps an amount is used up, also close to 2^53', () => {
    const amounts = fc.oneof(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 2 ** 52, max: Number.MAX_SAFE_INTEGER }),
    );
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
    fc.assert(
      fc.property(amounts, shares, (amount, shares) => {
        const limit = { thresholds: [1, 33.3, 50, 80, 99, 100], amount };
        const steps = [0, ...shares.map((share) => Math.floor(share * amount)).sort((a, b) => a - b), amount];
        const crossed = steps
          .slice(1)
          .flatMap((after, index) => [...thresholdsCrossed(limit, steps[index] as number, after)]);
        expect(crossed).toEqual(limit.thresholds);
        // 100 % is the amount itself
        expect(thresholdsCrossed({ thresholds: [100], amount }, 0, amount - 1)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
