import { metrics } from '@opentelemetry/api';
import { onTestFinished } from 'vitest';

type Observe = (result: { observe(value: number, attributes?: object): void }) => void;

/** Registers a meter provider that reads when it is asked: names, values and attributes. */
export function registerMeter(): () => [string, number, object?][] {
  const callbacks = new Map<string, Set<Observe>>();
  const instrument = (name: string) => ({
    addCallback: (callback: Observe) => callbacks.set(name, (callbacks.get(name) ?? new Set()).add(callback)),
    removeCallback: (callback: Observe) => callbacks.get(name)?.delete(callback),
  });
  const meter = { createObservableGauge: instrument, createObservableCounter: instrument };
  metrics.setGlobalMeterProvider({ getMeter: () => meter } as never);
  onTestFinished(() => metrics.disable());
  return () => {
    const found: [string, number, object?][] = [];
    for (const [name, all] of callbacks) {
      for (const callback of all)
        callback({
          observe: (value, attributes) => found.push(attributes ? [name, value, attributes] : [name, value]),
        });
    }
    return found;
  };
}
