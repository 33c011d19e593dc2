import { createMemoryLedger, type GatewayOptions, type Ledger, type LimitEvent } from 'headgate';
import { createVirtualRuntime, type VirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readJson, startGateway, until } from '../harness.ts';
import { type Limits, limited } from './limited-gateway.ts';

const now = Date.UTC(2030, 0, 1, 12);

/** A ledger whose calls never return while it is frozen. */
function createFrozenLedger(runtime: VirtualRuntime, inner: Ledger = createMemoryLedger(runtime)) {
  let isFrozen = true;
  const waiting: (() => void)[] = [];
  const calls: string[] = [];
  const go = async <Value>(name: string, action: () => Value | Promise<Value>): Promise<Value> => {
    calls.push(name);
    if (isFrozen) await new Promise<void>((resolve) => waiting.push(resolve));
    return action();
  };
  const ledger: Ledger = {
    nowMs: () => inner.nowMs(),
    reserve: (id, scopes, leaseMs) => go('reserve', () => inner.reserve(id, scopes, leaseMs)),
    renew: (id, leaseMs, charges) => go('renew', () => inner.renew(id, leaseMs, charges)),
    settle: (id, used) => go('settle', () => inner.settle(id, used)),
    peek: (scopes) => go('peek', () => inner.peek(scopes)),
    close: async () => void calls.push('close'),
  };
  const thaw = () => {
    isFrozen = false;
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { ledger, inner, calls, thaw };
}

async function start(limits: Limits, options: GatewayOptions = {}) {
  const runtime = createVirtualRuntime({ now });
  const frozen = createFrozenLedger(runtime);
  const events: LimitEvent[] = [];
  // closing waits for the ledger, and so for the clock
  let clock: NodeJS.Timeout | undefined;
  onTestFinished(() => clearInterval(clock));
  const started = await startGateway(limited(...limits), {
    runtime,
    ledger: frozen.ledger,
    onLimit: (event) => events.push(event),
    ...options,
  });
  onTestFinished(() => {
    frozen.thaw();
    clock = setInterval(() => runtime.advance(100), 1);
  });
  /** Sends a request, and lets the deadline of the ledger pass. */
  const ask = async () => {
    const calls = frozen.calls.length;
    const reply = started.send('/v1/chat/completions', chat({ max_tokens: 20 }));
    await Promise.race([until(() => frozen.calls.length > calls), reply]);
    runtime.advance(500);
    const { status, headers } = await reply;
    return [status, headers['x-headgate-degraded']];
  };
  return { ...started, ...frozen, runtime, events, ask };
}

describe('while the ledger does not answer', () => {
  it('a limit of requests goes on in each process with its part, and every reply says so', async () => {
    const { ask, gateway, upstream } = await start([{ unit: 'requests', amount: 8, window: '1d' }], {
      limits: { nodes: 4 },
    });
    expect([await ask(), await ask(), await ask()]).toEqual([
      [200, 'limits'],
      [200, 'limits'],
      [402, 'limits'],
    ]);
    expect(upstream.requests).toHaveLength(2);
    await until(() => gateway.records.length === 3);
    expect(gateway.records.map(({ degraded }) => degraded)).toEqual([true, true, true]);
  });

  it('a budget in money is closed: 503 after the deadline, at once when the ledger has been given up', async () => {
    const { ask, send, upstream, calls } = await start([{ unit: 'usd', amount: 8, window: '1d' }]);
    for (let count = 0; count < 3; count++) expect(await ask()).toEqual([503, 'limits']);
    const asked = calls.length;
    // nobody lets the clock go on
    const reply = await send('/v1/chat/completions', chat());
    expect([reply.status, reply.headers['retry-after']]).toEqual([503, '1']);
    expect([calls.length, upstream.requests.length]).toEqual([asked, 0]);
  });

  it('each limit does as it says itself', async () => {
    const open = await start([{ unit: 'usd', amount: 8, window: '1d', onFailure: 'open' }]);
    for (let count = 0; count < 5; count++) expect(await open.ask()).toEqual([200, 'limits']);
    const closed = await start([{ unit: 'requests', amount: 8, window: '1d', onFailure: 'closed' }]);
    expect(await closed.ask()).toEqual([503, 'limits']);
    const refusing = await start([{ unit: 'requests', amount: 8, window: '1d' }], {
      limits: { failure: false },
      ledger: { ...createMemoryLedger(createVirtualRuntime({ now })), reserve: () => Promise.reject('down') },
    });
    expect(await refusing.ask()).toEqual([503, 'limits']);
  });

  it('health and the health check say so, and whoever listens is told once, and once when it is back', async () => {
    const { ask, send, gateway, events, thaw, runtime, inner } = await start([
      { unit: 'requests', amount: 100, window: '1d' },
    ]);
    const health = async () => readJson(await send('/', undefined));
    expect(await health()).toEqual({ status: 'serving' });
    expect(gateway.health()).toMatchObject({ status: 'serving', limits: { state: 'healthy' } });
    for (let count = 0; count < 20; count++) await ask();
    expect(await health()).toEqual({ status: 'serving', degraded: ['limits'] });
    const { state, decisions } = gateway.health().limits;
    expect([state, decisions?.decisions]).toEqual([
      'degraded',
      { ledger: 0, degraded: 20, open: 0, closed: 0 },
    ]);
    expect(events.map(({ kind }) => kind)).toEqual(['ledger']);
    expect(events[0]).toMatchObject({ state: 'degraded', cause: { code: 'ETIMEDOUT' } });
    thaw();
    await until(() => {
      runtime.advance(1_000);
      return gateway.health().limits.state === 'healthy';
    });
    expect(await ask()).toEqual([200, undefined]);
    expect(events.map((event) => event.kind === 'ledger' && event.state)).toEqual(['degraded', 'healthy']);
    expect(await health()).toEqual({ status: 'serving' });
    // what was used without the ledger is in it now
    await until(() => {
      runtime.advance(1_000);
      return gateway.health().limits.decisions?.unposted === 0;
    });
    const limit = gateway.snapshot.policyOf('payments')?.limits[0];
    const key = `${limit?.prefix}/key=${gateway.snapshot.config.keys[0]?.kid}`;
    const span = limit?.window.spanAt(runtime.now());
    if (!span) throw new Error('There is no such limit.');
    await until(
      () => (inner.peek([{ key, amount: 100, span }]) as readonly { used: number }[])[0]?.used === 21,
    );
  });

  it('goes to onError where nobody listens to limits', async () => {
    const errors: unknown[] = [];
    const runtime = createVirtualRuntime({ now });
    const ledger: Ledger = {
      ...createMemoryLedger(runtime),
      reserve: () => Promise.reject(new Error('cut')),
    };
    const { send } = await startGateway(limited({ unit: 'requests', amount: 50, window: '1d' }), {
      runtime,
      ledger,
      onError: (error) => errors.push(error),
    });
    for (let count = 0; count < 10; count++) await send('/v1/chat/completions', chat());
    expect(errors).toEqual([
      expect.objectContaining({
        message: 'Limits are decided without their ledger.',
        cause: expect.anything(),
      }),
    ]);
  });
});

describe('the ledger of a gateway', () => {
  it('stays open when the gateway closes', async () => {
    const { gateway, calls, thaw } = await start([{ unit: 'requests', amount: 8, window: '1d' }]);
    thaw();
    await gateway.close();
    expect(calls).not.toContain('close');
  });

  it('is asked for slices ahead of need with leasing, and gets back what is left of them on close', async () => {
    const runtime = createVirtualRuntime({ now });
    const shared = createMemoryLedger(runtime);
    const { send, gateway } = await startGateway(
      limited({ unit: 'requests', amount: 100_000, window: '1d' }),
      {
        runtime,
        ledger: shared,
        limits: { leasing: true },
      },
    );
    for (let count = 0; count < 200; count++) {
      expect((await send('/v1/chat/completions', chat())).status).toBe(200);
      runtime.advance(5);
    }
    const { leasing, state } = gateway.health().limits;
    expect([state, leasing?.scopes.length]).toEqual(['healthy', 1]);
    expect(leasing?.memoryDecisions).toBeGreaterThan(150);
    await gateway.close();
    const scope = leasing?.scopes[0];
    const limit = gateway.snapshot.policyOf('payments')?.limits[0];
    const span = limit?.window.spanAt(runtime.now());
    if (!scope || !span) throw new Error('There is no such limit.');
    expect(await shared.peek([{ key: scope.key, amount: 100_000, span }])).toMatchObject([
      { used: 200, held: 0 },
    ]);
  });

  it('is not taken with options out of their range', async () => {
    const ledger = createMemoryLedger(createVirtualRuntime({ now }));
    for (const [limits, name] of [
      [{ nodes: 0 }, 'nodes'],
      [{ failure: { deadlineMs: 0 } }, 'deadlineMs'],
      [{ leasing: { maxShare: 2 } }, 'maxShare'],
    ] as const) {
      await expect(startGateway(undefined, { ledger, limits })).rejects.toThrow(new RegExp(`"${name}"`));
    }
  });
});
