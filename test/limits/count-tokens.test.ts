import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countTokens, everyToken, mostTokens, type TokenCounting } from '../../src/limits/count-tokens.ts';

const usage = {
  inputTokens: 1_000,
  cachedInputTokens: 600,
  cacheWrite5mTokens: 100,
  cacheWrite1hTokens: 100,
  outputTokens: 500,
  reasoningTokens: 300,
  source: 'reported',
} as const;

describe('tokens of a usage', () => {
  it.each<[string, Partial<TokenCounting>, number]>([
    ['each count once', {}, 1_500],
    ['count for their input alone', { count: 'input' }, 1_000],
    ['count for their output alone', { count: 'output' }, 500],
    ['count less where they were cached', { cached: 0.1 }, 960],
    ['count more where they were written to the cache', { cacheWrite: 1.25 }, 1_550],
    ['count for nothing where they are reasoning', { reasoning: 0 }, 1_200],
    ['count by all weights at once', { cached: 0, cacheWrite: 2, reasoning: 3 }, 200 + 400 + 200 + 900],
    ['are rounded up', { cached: 0.001 }, 901],
  ])('%s', (_, counting, expected) => {
    expect(countTokens({ ...everyToken, ...counting }, usage)).toBe(expected);
  });

  it('that are unknown are none', () => {
    expect(countTokens(everyToken, { source: 'reported' })).toBe(0);
    expect(countTokens(everyToken, { outputTokens: 5, source: 'reported' })).toBe(5);
  });

  it('are never more than what is held for them, and never less than nothing', () => {
    const count = fc.integer({ min: 0, max: 1_000_000 });
    const weight = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          count: fc.constantFrom('total' as const, 'input' as const, 'output' as const),
          cached: weight,
          cacheWrite: weight,
          reasoning: weight,
        }),
        fc.tuple(count, count, count, count, count, count),
        (counting, [inputTokens, outputTokens, cached, write5m, write1h, reasoningTokens]) => {
          const counted = countTokens(counting, {
            inputTokens,
            outputTokens,
            cachedInputTokens: cached,
            cacheWrite5mTokens: write5m,
            cacheWrite1hTokens: write1h,
            reasoningTokens,
            source: 'reported',
          });
          expect(Number.isSafeInteger(counted)).toBe(true);
          expect(counted).toBeGreaterThanOrEqual(0);
          expect(counted).toBeLessThanOrEqual(mostTokens(counting, inputTokens, outputTokens));
        },
      ),
    );
  });
});
