import type { ParsedConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Healths } from './health/healths.ts';
import type { Availability, TargetHealth } from './health/target-health.ts';

/** Whom to ask next, and what for. */
export interface Choice {
  readonly candidate: Candidate;
  readonly health: TargetHealth;
  readonly availability: Availability;
}

/**
 * The order in which candidates that are not ready are asked. One whose breaker opened although it still answers now
 * and then, or whose credential was refused a moment ago, is better than none. A dead one is left to its probes: the
 * request waits for the result of the next probe.
 */
const order: Readonly<Record<Availability, number>> = {
  ready: 0,
  probe: 0,
  degraded: 1,
  unpaid: 2,
  full: 3,
  cooling: 4,
  dead: 5,
};

/** Whether `one` is asked after `other`. */
export function isWorse(one: Availability, other: Availability): boolean {
  return order[one] > order[other];
}

/** What candidates are chosen by. */
export interface ChoiceFacts {
  readonly healths: Healths;
  readonly config: ParsedConfig;
  readonly nowMs: number;
  /** The longest worthwhile wait for a candidate that asked to be left alone, or that is left alone. */
  readonly mostWaitMs: number;
  /** Whether a dead candidate may be waited for. */
  readonly mayWait: boolean;
}

/**
 * The first candidate that may be asked. If none is ready: the least bad one, and of those to be left alone the one
 * that may be asked soonest.
 *
 * @param admits the last check before a candidate is taken
 */
export function choose(
  candidates: readonly Candidate[],
  { healths, config, nowMs, mostWaitMs, mayWait }: ChoiceFacts,
  admits: (health: TargetHealth) => boolean,
): Choice | undefined {
  const others: Choice[] = [];
  for (const candidate of candidates) {
    const health = healths.of(candidate, config);
    const found = health.availability(nowMs);
    // an active probe of the provider risks no caller's request
    const availability =
      found === 'probe' && healths.probe(candidate, health) ? health.availability(nowMs) : found;
    const isReady = order[availability] === 0;
    if (isReady && admits(health)) return { candidate, health, availability };
    if (!isReady && (mayWait || availability !== 'dead')) others.push({ candidate, health, availability });
  }
  const waitOf = ({ health, availability }: Choice) => {
    if (availability === 'cooling') return health.coolMs(nowMs);
    // a probe that is under way ends soonest, but still takes some time
    return availability === 'dead' ? Math.max(1, health.breaker.waitMs(nowMs)) : 0;
  };
  return others
    .filter((choice) => waitOf(choice) <= Math.max(0, mostWaitMs))
    .sort(
      (one, other) =>
        order[one.availability] - order[other.availability] ||
        waitOf(one) - waitOf(other) ||
        // wait for a place where it is worth most
        order[one.health.withRoom(nowMs)] - order[other.health.withRoom(nowMs)],
    )
    .find(({ health }) => admits(health));
}

/** Why nobody may be asked, for the caller. */
export function noChoice(
  candidates: readonly Candidate[],
  { healths, config, nowMs }: ChoiceFacts,
): GatewayError {
  const found = candidates.map((candidate) => healths.of(candidate, config));
  const isCooling = found.some((health) => health.availability(nowMs) === 'cooling');
  const waits = found.map((health) => Math.max(health.coolMs(nowMs), health.breaker.waitMs(nowMs)));
  const retryAfterSeconds = Math.ceil(Math.min(...waits) / 1_000) || 1;
  return isCooling
    ? new GatewayError(
        'rate_limited',
        'Every provider of this model is rate limited at the moment. Try again later.',
        { retryAfterSeconds },
      )
    : new GatewayError(
        'no_target_available',
        'Every provider of this model is failing at the moment. Try again shortly.',
        { retryAfterSeconds },
      );
}
