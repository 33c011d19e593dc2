import type { Meter, Observable, ObservableResult } from '@opentelemetry/api';
import type { GatewayHealth } from '../health.ts';
import { withMeter } from './open-telemetry.ts';

const breakerStates = { closed: 0, 'half-open': 1, open: 2 } as const;

/**
 * OpenTelemetry metrics about the health of a gateway and its targets. For each target: `headgate.target.breaker` (0
 * closed, 1 half-open, 2 open), `headgate.target.cool_down` in seconds, `headgate.target.in_flight`; for the gateway:
 * `headgate.requests.in_flight`, `headgate.requests.queued`, `headgate.config.age` in seconds; for routes:
 * `headgate.route.function_failures`, and `headgate.mirror.copies` by `outcome` (sent, failed, full, refused). Targets
 * with callers' credentials are left out: there are as many as callers. Without a registered meter provider nothing is
 * ever computed.
 *
 * @returns what ends them
 */
export function observeHealth(health: () => GatewayHealth): () => void {
  return withMeter((meter) => observeBy(meter, health));
}

function observeBy(meter: Meter, health: () => GatewayHealth): () => void {
  const ends: (() => void)[] = [];
  const observe = (
    instrument: Observable,
    tell: (result: ObservableResult, found: GatewayHealth) => void,
  ) => {
    const callback = (result: ObservableResult) => tell(result, health());
    instrument.addCallback(callback);
    ends.push(() => instrument.removeCallback(callback));
  };
  const ofTargets = (
    name: string,
    description: string,
    unit: string,
    value: (target: GatewayHealth['targets'][number]) => number,
  ) =>
    observe(meter.createObservableGauge(name, { description, unit }), (result, { targets }) => {
      for (const target of targets) {
        if (!isOfCaller(target.target)) result.observe(value(target), { 'headgate.target': target.target });
      }
    });

  ofTargets(
    'headgate.target.breaker',
    'State of its breaker: 0 closed, 1 half-open, 2 open.',
    '1',
    (target) => breakerStates[target.breaker],
  );
  ofTargets(
    'headgate.target.cool_down',
    'How long it has asked to be left alone.',
    's',
    ({ coolDownMs }) => coolDownMs / 1_000,
  );
  ofTargets('headgate.target.in_flight', 'Attempts that run.', '{attempt}', ({ inFlight }) => inFlight);
  observe(
    meter.createObservableGauge('headgate.requests.in_flight', {
      description: 'Requests that have been let in, those that wait among them.',
      unit: '{request}',
    }),
    (result, { requests }) => result.observe(requests.inFlight),
  );
  observe(
    meter.createObservableGauge('headgate.requests.queued', {
      description: 'Requests that wait for a place.',
      unit: '{request}',
    }),
    (result, { requests }) => result.observe(requests.queued),
  );
  observe(
    meter.createObservableGauge('headgate.config.age', {
      description: 'How long the configuration has been in force.',
      unit: 's',
    }),
    (result, { config }) => result.observe(config.ageMs / 1_000),
  );
  observe(
    meter.createObservableCounter('headgate.route.function_failures', {
      description: 'How often the function of a route has failed.',
    }),
    (result, { failedFunctions }) => {
      for (const [route, count] of Object.entries(failedFunctions)) {
        result.observe(count, { 'headgate.route': route });
      }
    },
  );
  observe(
    meter.createObservableCounter('headgate.mirror.copies', {
      description: 'Copies of requests that routes had made, by what became of them.',
    }),
    (result, { mirrors }) => {
      for (const [route, { sent, failed, full, refused }] of Object.entries(mirrors)) {
        for (const [outcome, count] of Object.entries({ sent, failed, full, refused })) {
          result.observe(count, { 'headgate.route': route, outcome });
        }
      }
    },
  );
  return () => {
    for (const end of ends) end();
  };
}

function isOfCaller(target: string): boolean {
  return target.includes('#caller:') || target.includes('#byok:');
}
