import type { GatewayOptions } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';
import { type Limits, limited } from './limited-gateway.ts';

const now = Date.UTC(2030, 0, 1, 12, 0, 50);

async function start(limits: Limits, options: GatewayOptions = {}) {
  const runtime = createVirtualRuntime({ now });
  const started = await startGateway(limited(...limits), { runtime, ...options });
  const ask = async (more: object = {}) => {
    const reply = await started.send('/v1/chat/completions', chat({ max_tokens: 20 }), more);
    await readText(reply);
    return reply.status;
  };
  return { ...started, runtime, ask };
}

describe('a limit with throttleMs', () => {
  const limits: Limits = [{ unit: 'requests', amount: 1, window: '1m', throttleMs: 15_000 }];

  it('lets a request wait for the next window, and counts it there', async () => {
    const { ask, runtime, gateway } = await start(limits);
    expect(await ask()).toBe(200);
    const waiting = ask();
    await settle();
    expect(gateway.records).toHaveLength(1);
    runtime.advance(10_000);
    expect(await waiting).toBe(200);
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ throttledMs }) => throttledMs)).toEqual([undefined, 10_000]);
    // the window that it waited for is full now, and the next is too far away
    expect(await ask()).toBe(429);
  });

  it('refuses at once what would wait longer than that', async () => {
    const { ask } = await start([{ unit: 'requests', amount: 1, window: '1m', throttleMs: 9_000 }]);
    expect([await ask(), await ask()]).toEqual([200, 429]);
  });

  it('lets a request wait for a slot, and refuses it when none becomes free in time', async () => {
    const { send, ask, runtime } = await start([{ unit: 'parallel', amount: 1, throttleMs: 1_000 }]);
    const running = await send('/v1/chat/completions', chat({ stream: true }));
    const lucky = ask();
    await settle();
    await readText(running);
    runtime.advance(100);
    expect(await lucky).toBe(200);

    const second = await send('/v1/chat/completions', chat({ stream: true }));
    const unlucky = ask();
    let status: number | undefined;
    void unlucky.then((code) => {
      status = code;
    });
    for (let step = 0; step < 10; step++) {
      await settle();
      expect(status).toBeUndefined();
      runtime.advance(100);
    }
    expect(await unlucky).toBe(429);
    await readText(second);
  });

  it('lets no more requests wait than its bound', async () => {
    const { ask, runtime } = await start(limits, { limits: { maxWaiting: 2 } });
    await ask();
    const waiting = [ask(), ask()];
    await settle();
    expect(await ask()).toBe(429);
    runtime.advance(10_000);
    expect((await Promise.all(waiting)).toSorted()).toEqual([200, 429]);
  });

  it('holds nothing for a caller that leaves while it waits', async () => {
    const { ask, gateway, runtime, upstream } = await start(limits);
    await ask();
    const controller = new AbortController();
    const waiting = ask({ signal: controller.signal });
    await settle();
    controller.abort();
    expect(await waiting).toBe(499);
    runtime.advance(10_000);
    expect(await ask()).toBe(200);
    expect(upstream.requests).toHaveLength(2);
    await until(() => gateway.records.length === 3);
    expect(gateway.records[1]).toMatchObject({ outcome: 'aborted', errorCode: 'caller_gone' });
  });
});

/** Lets everything go on that waits for no clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
