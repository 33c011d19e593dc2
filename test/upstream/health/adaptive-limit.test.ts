import { describe, expect, it } from 'vitest';
import { AdaptiveLimit } from '../../../src/upstream/health/adaptive-limit.ts';

describe('the limit that a target shows by its refusals', () => {
  it('is none before the first of them, and seven tenths of what was on its way after it', () => {
    const limit = new AdaptiveLimit();
    expect(limit.most).toBe(Number.POSITIVE_INFINITY);
    limit.refused(100, 0);
    expect(limit.most).toBe(70);
  });

  it('counts refusals of requests that were on their way together once', () => {
    const limit = new AdaptiveLimit();
    for (let turn = 0; turn < 50; turn++) limit.refused(100, turn);
    expect(limit.most).toBe(70);
    limit.refused(70, 2_000);
    expect(limit.most).toBe(49);
  });

  it('never falls below one', () => {
    const limit = new AdaptiveLimit();
    for (let turn = 0; turn < 50; turn++) limit.refused(1, turn * 2_000);
    expect(limit.most).toBe(1);
  });

  it('grows by one for each round of answers, and is forgotten after a minute without a refusal', () => {
    const limit = new AdaptiveLimit();
    limit.refused(10, 0);
    for (let turn = 0; turn < 7; turn++) limit.answered(1_000);
    expect(limit.most).toBeGreaterThan(7.8);
    expect(limit.most).toBeLessThanOrEqual(8);
    limit.answered(60_001);
    expect(limit.most).toBe(Number.POSITIVE_INFINITY);
  });
});
