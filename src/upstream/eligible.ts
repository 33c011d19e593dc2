import type { Model } from '../config/snapshot.ts';
import type { FailureAction } from '../routing/forwarding.ts';
import type { Candidate } from '../routing/plan.ts';
import type { AttemptFailure } from './failure.ts';

interface Failed {
  readonly candidate: Candidate;
  readonly failure: AttemptFailure;
}

/**
 * Candidates that were not asked yet and that an action leads to, in the order in which to ask them. A request too long
 * for one goes only to those whose window is known to be larger.
 *
 * @param tried those that have failed, in order; the last one with `failure`
 */
export function eligible(
  candidates: readonly Candidate[],
  tried: readonly Failed[],
  failure: AttemptFailure,
  action: FailureAction,
  model: Model | undefined,
): Candidate[] {
  const last = tried.find((one) => one.failure === failure)?.candidate;
  const asked = new Set(tried.map(({ candidate }) => candidate.id));
  const others = candidates.filter(({ id }) => !asked.has(id));
  if (failure.kind === 'context-too-long') {
    const windowOf = ({ target }: Candidate) => target.contextWindow ?? model?.contextWindow;
    const exceeded = last && windowOf(last);
    return others.filter((other) => (windowOf(other) ?? 0) > (exceeded ?? Number.POSITIVE_INFINITY));
  }
  if (!last || action === 'retry') return others;
  const isSame = ({ target }: Candidate) => target.id === last.target.id;
  if (action === 'next-credential') {
    return [...others.filter(isSame), ...others.filter((other) => !isSame(other))];
  }
  const targets = new Set(tried.map(({ candidate }) => candidate.target.id));
  return others.filter(({ target }) => !targets.has(target.id));
}
