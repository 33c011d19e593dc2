import type { Meter, ObservableResult } from '@opentelemetry/api';
import type { LimitsHealth } from '../limits/gateway-ledger.ts';
import { withMeter } from './open-telemetry.ts';

/**
 * OpenTelemetry metrics about limit decisions: `headgate.limits.degraded` (1 while their ledger cannot be asked),
 * `headgate.limits.decisions` by `by` (ledger, degraded, open, closed), `headgate.limits.ledger_failures`. Without a
 * registered meter provider nothing is ever computed.
 *
 * @returns what ends them
 */
export function observeLimits(health: () => LimitsHealth): () => void {
  return withMeter((meter) => observeBy(meter, health));
}

function observeBy(meter: Meter, health: () => LimitsHealth): () => void {
  const degraded = meter.createObservableGauge('headgate.limits.degraded', {
    description: 'Whether limits are decided without their ledger.',
  });
  const decisions = meter.createObservableCounter('headgate.limits.decisions', {
    description: 'Reservations, by who decided them.',
  });
  const failures = meter.createObservableCounter('headgate.limits.ledger_failures', {
    description: 'Calls of the ledger that failed or were late.',
  });
  const tellDegraded = (result: ObservableResult) => result.observe(health().state === 'degraded' ? 1 : 0);
  const tellDecisions = (result: ObservableResult) => {
    for (const [by, count] of Object.entries(health().decisions?.decisions ?? {}))
      result.observe(count, { by });
  };
  const tellFailures = (result: ObservableResult) => result.observe(health().decisions?.failures ?? 0);
  degraded.addCallback(tellDegraded);
  decisions.addCallback(tellDecisions);
  failures.addCallback(tellFailures);
  return () => {
    degraded.removeCallback(tellDegraded);
    decisions.removeCallback(tellDecisions);
    failures.removeCallback(tellFailures);
  };
}
