import { createMemoryLedger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';
import { limited } from '../stages/limited-gateway.ts';
import { registerMeter } from './meter.ts';

describe('the metrics of limits', () => {
  it('tell whether they are decided without their ledger, who decided, and what failed; and end with the gateway', async () => {
    const read = registerMeter();
    const runtime = createVirtualRuntime();
    const ledger = { ...createMemoryLedger(runtime), reserve: () => Promise.reject(new Error('down')) };
    const { send, gateway } = await startGateway(limited({ unit: 'requests', amount: 50, window: '1d' }), {
      runtime,
      ledger,
      onError: () => undefined,
    });
    await until(() => read().length > 0);
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
