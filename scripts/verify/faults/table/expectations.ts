import type { FailureClass } from '../../../../src/routing/forwarding.ts';
import type { Expectation } from './row.ts';

/** A target with which nothing is wrong. */
export const healthy = [{ do: 'answer' }] as const;

/** A whole answer of the first target. */
export const answer = { what: 'answer', from: 'first' } as const;

/** The same of the second. */
export const answerOfSecond = { what: 'answer', from: 'second' } as const;

/** The first target is asked once and comes to nothing, the second answers unseen, and its answer alone is counted. */
export function servedBySecond(failure?: FailureClass): Expectation {
  const failures = failure && { failures: [failure] };
  return { caller: answerOfSecond, first: 1, second: 1, charged: 'actual', ...failures };
}
