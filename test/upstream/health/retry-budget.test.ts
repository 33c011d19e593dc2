import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../../src/upstream/health/retry-budget.ts';

const options = { ratio: 0.2, floor: 3, windowMs: 60_000 };

/** The budgets of the targets of one gateway. */
function createBudgets(count: number): RetryBudget[] {
  const all: RetryBudget[] = Array.from({ length: count }, () => new RetryBudget(options, () => all));
  return all;
}

const createBudget = () => createBudgets(1)[0] as RetryBudget;

describe('a retry budget', () => {
  it('gives its floor while there is little traffic, and a fifth of the first attempts after that', () => {
    const budget = createBudget();
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
        const budget = createBudget();
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
    const budget = createBudget();
    for (let turn = 0; turn < 1_000; turn++) expect(budget.take(0, false)).toBe(true);
  });

  it('lets only its share fail over to a target that fails, too', () => {
    const budget = createBudget();
    let attempts = 0;
    for (let turn = 0; turn < 1_000; turn++) {
      if (!budget.take(0, false)) continue;
      attempts++;
      budget.noteFailed(0);
    }
    expect(attempts).toBeLessThanOrEqual(4);
  });

  it('is filled again by a window that has passed', () => {
    const budget = createBudget();
    while (budget.take(0, true));
    expect(budget.take(59_999, true)).toBe(false);
    expect(budget.take(120_000, true)).toBe(true);
  });

  it('knows of a failure for a window from when it came, however long its attempt had taken', () => {
    const budget = createBudget();
    budget.noteFirst(0);
    budget.noteFailed(31_000);
    const taken = Array.from({ length: 5 }, () => budget.take(65_000, false));
    expect(taken).toEqual([true, true, true, false, false]);
  });

  it('is one for all targets: a storm over many of them makes no more attempts than one over one', () => {
    const budgetsOf = fc.array(fc.tuple(fc.nat(7), fc.array(fc.boolean(), { maxLength: 4 })), {
      minLength: 1,
      maxLength: 500,
    });
    fc.assert(
      fc.property(budgetsOf, (requests) => {
        const budgets = createBudgets(8);
        // all of them have failed somebody, so that none is sound
        for (const budget of budgets) budget.noteFailed(0);
        let attempts = 0;
        for (const [index, others] of requests) {
          budgets[index]?.noteFirst(0);
          budgets[index]?.noteFailed(0);
          attempts++;
          others.forEach((isAgain, turn) => {
            const next = budgets[(index + (isAgain ? 0 : turn + 1)) % 8] as RetryBudget;
            if (!next.take(0, isAgain)) return;
            attempts++;
            next.noteFailed(0);
          });
        }
        expect(attempts).toBeLessThanOrEqual(1.2 * requests.length + 3);
      }),
    );
  });

  it('counts what targets took before they failed somebody, once they do', () => {
    const [one, other] = createBudgets(2) as [RetryBudget, RetryBudget];
    for (let turn = 0; turn < 10; turn++) expect(one.take(0, false)).toBe(true);
    for (let turn = 0; turn < 10; turn++) other.noteFailed(0);
    expect(other.take(0, false)).toBe(true);
    for (let turn = 0; turn < 10; turn++) one.noteFailed(0);
    expect(other.take(0, false)).toBe(false);
  });

  it('is not used up by those that go from a target that fails to one that does not', () => {
    const [primary, secondary, elsewhere] = createBudgets(3) as [RetryBudget, RetryBudget, RetryBudget];
    for (let turn = 0; turn < 100; turn++) {
      primary.noteFirst(0);
      primary.noteFailed(0);
      expect(secondary.take(0, false)).toBe(true);
    }
    elsewhere.noteFirst(0);
    elsewhere.noteFailed(0);
    expect(elsewhere.take(0, true)).toBe(true);
  });
});
