import type { Availability, TargetHealth } from '../upstream/health/target-health.ts';

/** A target's current state, and what follows from it. */
export interface TargetState {
  /** Whether it would be tried now: `ready`, or why others are tried first. */
  readonly availability: Availability;
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** How long until an open breaker lets a probe through, in milliseconds. */
  readonly probeInMs: number;
  /** How much longer it asked to be left alone, in milliseconds. */
  readonly coolDownMs: number;
  readonly inFlight: number;
  /** The most concurrent requests it is believed to take; absent while nothing limits it. */
  readonly maxInFlight?: number;
}

/** The state of a target that was never tried. */
export const untried: TargetState = Object.freeze({
  availability: 'ready',
  breaker: 'closed',
  probeInMs: 0,
  coolDownMs: 0,
  inFlight: 0,
});

/** A target's state by its health; one without was never tried. */
export function stateOf(health: TargetHealth | undefined, nowMs: number): TargetState {
  if (!health) return untried;
  const { breaker, probeInMs, coolDownMs, inFlight, maxInFlight } = health.report(nowMs);
  const availability = health.availability(nowMs);
  return {
    ...{ availability, breaker, probeInMs, coolDownMs, inFlight },
    ...(maxInFlight !== undefined && { maxInFlight }),
  };
}

/** Why others are tried before a target; undefined if it is ready. */
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
