import { createLeasingLedger, createMemoryLedger, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createGatewayLedger } from '../../src/limits/gateway-ledger.ts';
import { forever } from '../../src/limits/window-span.ts';

describe('the ledger of a gateway that was given a leasing one', () => {
  it('decides in memory while slices last, also when the shared one has been given up', async () => {
    const runtime = createVirtualRuntime();
    const memory = createMemoryLedger(runtime);
    let isDown = false;
    const shared: Ledger = {
      nowMs: () => memory.nowMs(),
      reserve: async (...asked) => {
        if (isDown) throw new Error('down');
        return memory.reserve(...asked);
      },
      renew: async (...asked) => memory.renew(...asked),
      settle: async (...asked) => memory.settle(...asked),
      peek: async (scopes) => {
        if (isDown) throw new Error('down');
        return memory.peek(scopes);
      },
    };
    const { ledger, isDegraded, close } = createGatewayLedger({
      given: createLeasingLedger({ shared, runtime }),
      limits: { nodes: 1 },
      runtime,
      onEvent: () => undefined,
      onError: () => undefined,
    });
    const scope = { key: 'a', amount: 10_000, hold: 1, charge: 1, mode: 'block', span: forever } as const;
    for (let index = 0; index < 200; index++) {
      await ledger.reserve(`r${index}`, [scope], 60_000);
      if (index % 20 === 0) await runtime.advanceAsync(50);
    }
    isDown = true;
    for (let index = 0; index < 5; index++)
      await Promise.resolve(ledger.peek([scope])).catch(() => undefined);
    expect(isDegraded()).toBe(true);
    expect(await ledger.reserve('later', [scope], 60_000)).toMatchObject({ kind: 'granted' });
    const closing = close();
    await runtime.advanceAsync(10_000);
    await closing;
  });
});

describe('the ledger of a gateway that was given none', () => {
  it('tells onError once that it has no room for new names', () => {
    const errors: unknown[] = [];
    const { ledger } = createGatewayLedger({
      given: undefined,
      limits: {},
      runtime: createVirtualRuntime(),
      onEvent: () => undefined,
      onError: (error) => errors.push(error),
    });
    const use = (run: string) => {
      const scope = { key: run, amount: 10, hold: 1, charge: 1, mode: 'block', span: forever } as const;
      ledger.reserve(run, [scope], 60_000);
      ledger.settle(run, [1]);
    };
    for (let index = 0; index < 100_000; index++) use(`run ${index}`);
    for (let index = 0; index < 3; index++) expect(() => use(`late ${index}`)).toThrow('100000 scopes');
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('100000 scopes') })]);
  });
});
