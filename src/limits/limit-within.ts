import { type Limit, toLimit, type WrittenLimit } from './limit.ts';

/** From the laxest to the strictest. */
const modes: readonly Limit['mode'][] = ['shadow', 'warn', 'block'];
const failurePolicies: readonly Limit['onFailure'][] = ['open', 'degraded', 'closed'];

/**
 * Whether a limit on a key never lets pass what another on a key would stop: the same count, never higher and no laxer.
 * Leaves out models, which are compared as patterns.
 */
export function isWithinLimit(own: WrittenLimit, limit: WrittenLimit): boolean {
  const [inner, outer] = [withoutModels(own), withoutModels(limit)];
  return (
    inner.prefix === outer.prefix &&
    inner.per.join() === outer.per.join() &&
    modes.indexOf(inner.mode) >= modes.indexOf(outer.mode) &&
    failurePolicies.indexOf(inner.onFailure) >= failurePolicies.indexOf(outer.onFailure) &&
    (inner.required || !outer.required) &&
    inner.amount <= outer.amount &&
    inner.raises.every((raise) => isWithinRaises(raise, outer)) &&
    endOf(own) <= endOf(limit)
  );
}

function withoutModels({ models: _models, ...limit }: WrittenLimit): Limit {
  return toLimit(limit, 'key', 'key');
}

function isWithinRaises(own: Limit['raises'][number], { amount, raises }: Limit): boolean {
  return (
    own.amount <= amount || raises.some((raise) => own.amount <= raise.amount && own.untilMs <= raise.untilMs)
  );
}

// the end of a one-off window is not part of its count
function endOf({ window }: WrittenLimit): number {
  return typeof window === 'object' && 'until' in window ? window.until : Number.POSITIVE_INFINITY;
}
