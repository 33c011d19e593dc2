import { metrics } from '@opentelemetry/api';
import { createMemoryLedger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readText, startGateway } from '../harness.ts';
import { limited } from '../stages/limited-gateway.ts';

type Observe = (result: { observe(value: number, attributes?: object): void }) => void;

/** A meter provider that reads when it is asked. */
function register() {
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

describe('the metrics of limits', () => {
  it('tell whether they are decided without their ledger, who decided, and what failed; and end with the gateway', async () => {
    const read = register();
    const runtime = createVirtualRuntime();
    const ledger = { ...createMemoryLedger(runtime), reserve: () => Promise.reject(new Error('down')) };
    const { send, gateway } = await startGateway(limited({ unit: 'requests', amount: 50, window: '1d' }), {
      runtime,
      ledger,
      onError: () => undefined,
    });
    expect(read()).toContainEqual(['headgate.limits.degraded', 0]);
    for (let count = 0; count < 5; count++) await readText(await send('/v1/chat/completions', chat()));
    expect(read()).toEqual(
      expect.arrayContaining([
        ['headgate.limits.degraded', 1],
        ['headgate.limits.decisions', 5, { by: 'degraded' }],
        ['headgate.limits.decisions', 0, { by: 'ledger' }],
        ['headgate.limits.ledger_failures', 3],
      ]),
    );
    await gateway.close();
    expect(read()).toEqual([]);
  });
});
