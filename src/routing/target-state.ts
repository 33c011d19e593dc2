import type { Availability, TargetHealth } from '../upstream/health/target-health.ts';

/** How a target is at the moment, and what follows from it. */
export interface TargetState {
  /** Whether it would be asked now: `ready`, or why others are asked before it. */
  readonly availability: Availability;
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** How long until an open breaker lets a probe through, in milliseconds. */
  readonly probeInMs: number;
  /** How long it has asked to be left alone, in milliseconds. */
  readonly coolDownMs: number;
  readonly inFlight: number;
  /** The most requests at once that it is thought to take; absent while nothing limits it. */
  readonly maxInFlight?: number;
}

/** The state of a target that nobody has asked yet. */
export const untried: TargetState = Object.freeze({
  availability: 'ready',
  breaker: 'closed',
  probeInMs: 0,
  coolDownMs: 0,
  inFlight: 0,
});

/** How a target is by its health; one without a health has never been asked. */
export function stateOf(health: TargetHealth | undefined, nowMs: number): TargetState {
  if (!health) return untried;
  const { breaker, probeInMs, coolDownMs, inFlight, maxInFlight } = health.report(nowMs);
  const availability = health.availability(nowMs);
  return {
    ...{ availability, breaker, probeInMs, coolDownMs, inFlight },
    ...(maxInFlight !== undefined && { maxInFlight }),
  };
}

/** Why others are asked before a target; undefined for one that is ready. */
export function whyNotReady({
  availability,
  probeInMs,
  coolDownMs,
  inFlight,
  maxInFlight,
}: TargetState): string | undefined {
  switch (availability) {
    case 'ready':
      return undefined;
    case 'probe':
      return 'its breaker is half-open: one request tries it';
    case 'full':
      return `others are asked before it: ${inFlight} requests run there, and it takes ${maxInFlight}`;
    case 'cooling':
      return `others are asked before it: it has asked to be left alone, for ${seconds(coolDownMs)} more`;
    case 'unpaid':
      return 'others are asked before it: its credential was refused, or has no quota left';
    case 'degraded':
      return `others are asked before it: its breaker is open, and lets a probe through in ${seconds(probeInMs)}`;
    case 'dead':
      return `it is not asked: its breaker is open and nothing gets through, until a probe in ${seconds(probeInMs)}`;
  }
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 100) / 10} s`;
}
