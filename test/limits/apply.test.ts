import { describe, expect, it } from 'vitest';
import { toScopes, usedOf } from '../../src/limits/apply.ts';
import { toLimit, type WrittenLimit } from '../../src/limits/limit.ts';
import { toPrice } from '../../src/limits/price.ts';
import type { Usage } from '../../src/message.ts';

const most = Number.MAX_SAFE_INTEGER;
const price = toPrice({ input: 5, output: 25 });
const usageOf = (inputTokens: number, outputTokens: number): Usage => ({
  inputTokens,
  outputTokens,
  source: 'estimated',
});

/** What a limit holds of a request that may use so much, and counts of one that did. */
function countsOf(unit: 'tokens' | 'usd', mode: WrittenLimit['mode'], usage: Usage): readonly number[] {
  const limit = toLimit({ unit, amount: 10, window: '1d', mode }, 'team t', 'team');
  const [scope] = toScopes([limit], ['k'], usage, price, 0);
  return [scope?.hold ?? -1, usedOf(limit, usage, price)];
}

describe('what one request counts of a limit', () => {
  it.each(['warn', 'shadow'] as const)('leaves room for thousands of others in mode %s', (mode) => {
    expect(countsOf('tokens', mode, usageOf(10, most))).toEqual([2 ** 40, 2 ** 40]);
    expect(countsOf('usd', mode, usageOf(10, most))).toEqual([2 ** 48, 2 ** 48]);
  });

  it('is as much as a ledger can count where that may be refused', () => {
    expect(countsOf('tokens', 'block', usageOf(10, most))).toEqual([most, most]);
    expect(countsOf('usd', 'block', usageOf(10, most))).toEqual([most, most]);
  });

  it('is exact in every mode for the largest batch that there is', () => {
    const batch = usageOf(100_000 * 10_000, 100_000 * 64_000);
    for (const mode of ['block', 'warn', 'shadow'] as const) {
      expect(countsOf('tokens', mode, batch)).toEqual([7.4e9, 7.4e9]);
      expect(countsOf('usd', mode, batch)).toEqual([165_000e9, 165_000e9]);
    }
  });
});
