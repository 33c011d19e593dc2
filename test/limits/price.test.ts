import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costOf, toNanoUsd, toPrice } from '../../src/limits/price.ts';

const reported = { source: 'reported' } as const;

describe('a price', () => {
  it('is exact for every published rate, as a number and as a text', () => {
    for (const rate of [
      '0.02',
      '0.0375',
      '0.075',
      '0.1',
      '0.15',
      '0.3',
      '1.1',
      '2.5',
      '18.75',
      '75',
      '600',
    ]) {
      const exact = Number(BigInt(Math.round(Number(rate) * 1e4)) * 100n);
      for (const given of [rate, Number(rate)]) {
        expect(toPrice({ input: given, output: given })).toMatchObject({ input: exact, output: exact });
      }
    }
  });

  it('of cached input is that of input, of cache writes a quarter more or twice, where none is given', () => {
    expect(toPrice({ input: 3, output: 15 })).toEqual({
      input: 3_000_000,
      output: 15_000_000,
      cachedInput: 3_000_000,
      cacheWrite5m: 3_750_000,
      cacheWrite1h: 6_000_000,
    });
    expect(
      toPrice({ input: 3, output: 15, cachedInput: '0.3', cacheWrite5m: 0, cacheWrite1h: '7.5' }),
    ).toMatchObject({ cachedInput: 300_000, cacheWrite5m: 0, cacheWrite1h: 7_500_000 });
  });

  it('of an amount in dollars is whole nano-dollars', () => {
    expect(toNanoUsd('0.000000001')).toBe(1);
    expect(toNanoUsd(0.1 + 0.2)).toBe(300_000_000);
    expect(toNanoUsd('1234567.123456789')).toBe(1_234_567_123_456_789);
    expect(toNanoUsd(0)).toBe(0);
  });
});

describe('the cost of a usage', () => {
  const price = toPrice({ input: 3, output: 15, cachedInput: '0.3' });

  it('counts each kind of input once, at its own rate', () => {
    const usage = {
      inputTokens: 1_000,
      cachedInputTokens: 600,
      cacheWrite5mTokens: 200,
      cacheWrite1hTokens: 100,
      outputTokens: 50,
      ...reported,
    };
    expect(costOf(usage, price)).toBe(100 * 3_000 + 600 * 300 + 200 * 3_750 + 100 * 6_000 + 50 * 15_000);
  });

  it('does not count reasoning again: it is within the output', () => {
    expect(costOf({ outputTokens: 50, reasoningTokens: 40, ...reported }, price)).toBe(750_000);
  });

  it('is rounded up, so that no token is free', () => {
    const cheap = toPrice({ input: '0.0001', output: '0.0001' });
    expect(costOf({ inputTokens: 1, ...reported }, cheap)).toBe(1);
    expect(costOf({ inputTokens: 11, ...reported }, cheap)).toBe(2);
    expect(costOf({ ...reported }, cheap)).toBe(0);
  });

  it('is never negative when a part is reported larger than its whole', () => {
    expect(costOf({ inputTokens: 10, cachedInputTokens: 500, ...reported }, price)).toBe(150_000);
  });

  it('is an integer that grows with every kind, and equals exact arithmetic', () => {
    const tokens = fc.integer({ min: 0, max: 2_000_000 });
    const rate = fc.integer({ min: 0, max: 6_000_000 }).map((value) => value / 10_000);
    fc.assert(
      fc.property(rate, rate, tokens, tokens, tokens, (input, output, plain, cached, produced) => {
        const compiled = toPrice({ input, output });
        const usage = {
          inputTokens: plain + cached,
          cachedInputTokens: cached,
          outputTokens: produced,
          ...reported,
        };
        const exact =
          BigInt(plain + cached) * BigInt(compiled.input) + BigInt(produced) * BigInt(compiled.output);
        const cost = costOf(usage, compiled);
        expect(BigInt(cost)).toBe((exact + 999n) / 1_000n);
        expect(costOf({ ...usage, outputTokens: produced + 1 }, compiled)).toBeGreaterThanOrEqual(cost);
      }),
    );
  });
});
