import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../../src/upstream/health/retry-budget.ts';

const options = { ratio: 0.2, floor: 3, windowMs: 60_000 };

describe('a retry budget', () => {
  it('gives its floor while there is little traffic, and a fifth of the first attempts after that', () => {
    const budget = new RetryBudget(options);
    const taken = () => {
      let count = 0;
      while (budget.take(0, true)) count++;
      return count;
    };
    expect(taken()).toBe(3);
    for (let turn = 0; turn < 100; turn++) budget.noteFirst(0);
    expect(taken()).toBe(17);
  });

  it('never lets attempts grow beyond 1.2 times the requests and the floor, whatever fails', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 500 }), (fails) => {
        const budget = new RetryBudget(options);
        let attempts = 0;
        for (const isFailure of fails) {
          budget.noteFirst(0);
          attempts++;
          if (!isFailure) continue;
          budget.noteFailed(0);
          if (budget.take(0, true)) attempts++;
        }
        expect(attempts).toBeLessThanOrEqual(1.2 * fails.length + 3);
      }),
    );
  });

  it('lets any number fail over to a target that fails nobody', () => {
    const budget = new RetryBudget(options);
    for (let turn = 0; turn < 1_000; turn++) expect(budget.take(0, false)).toBe(true);
  });

  it('lets only its share fail over to a target that fails, too', () => {
    const budget = new RetryBudget(options);
    let attempts = 0;
    for (let turn = 0; turn < 1_000; turn++) {
      if (!budget.take(0, false)) continue;
      attempts++;
      budget.noteFailed(0);
    }
    expect(attempts).toBeLessThanOrEqual(4);
  });

  it('is filled again by a window that has passed', () => {
    const budget = new RetryBudget(options);
    while (budget.take(0, true));
    expect(budget.take(59_999, true)).toBe(false);
    expect(budget.take(120_000, true)).toBe(true);
  });
});
