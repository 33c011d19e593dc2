import { request as ask, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from 'headgate/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';

describe('a gateway that closes', () => {
  it('lets a stream finish that ends in time, and refuses what comes after', async () => {
    const { gateway, send } = await startGateway(undefined, {}, { chunkDelayMs: 5 });
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const closing = gateway.close({ drainMs: 10_000 });
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect((await send('/', undefined)).status).toBe(503);
    expect(await readText(reply)).toMatch(/\[DONE\]\n\n$/);
    await closing;
    expect((await reply.outcome).kind).toBe('complete');
  });

  it('ends the rest with an error in its dialect, settled and on record, whether it is read or not', async () => {
    const { gateway, send, upstream } = await startGateway(undefined, {}, { chunkDelayMs: 20 });
    upstream.fail({ kind: 'cut', how: 'stall', afterChunks: 3 } as never, { times: 2 });
    const read = await send('/v1/chat/completions', chat({ stream: true }));
    const ignored = await send('/v1/chat/completions', chat({ stream: true }));
    const text = readText(read);
    await gateway.close({ drainMs: 100 });
    expect(await text).toMatch(/data: \{"error":\{.*"shutting_down"\}\}\n\n$/);
    expect((await text).includes('[DONE]')).toBe(false);
    expect(await ignored.outcome).toMatchObject({ kind: 'failed', errorCode: 'shutting_down' });
    expect(await readText(ignored)).toMatch(/"shutting_down"\}\}\n\n$/);
    expect(gateway.records.map(({ outcome, errorCode }) => [outcome, errorCode])).toEqual([
      ['failed', 'shutting_down'],
      ['failed', 'shutting_down'],
    ]);
    expect(gateway.records.every(({ usage }) => (usage?.outputTokens ?? 0) > 0)).toBe(true);
    await until(() => upstream.requests.every(({ aborted }) => aborted));
  });

  it('ends requests that wait for a provider, or for a pause to pass, with 503', async () => {
    const { gateway, send, upstream } = await startGateway((config) => ({
      ...config,
      retry: { minBackoffMs: 60_000, maxBackoffMs: 60_000 },
    }));
    upstream.fail({ kind: 'stall' });
    const waiting = send('/v1/chat/completions', chat());
    await upstream.waitFor(() => true, 60_000);
    upstream.fail({ kind: 'status', status: 500 });
    const pausing = send('/v1/embeddings', { model: 'text-embedding-3-small', input: 'x' });
    await until(() => upstream.requests.length === 2);
    await gateway.close({ drainMs: 50 });
    for (const reply of [await waiting, await pausing]) {
      expect([reply.status, (await readJson(reply)).error.code]).toEqual([503, 'shutting_down']);
    }
  });

  it('refuses what waits at its door or for its limits when the time is over, and sends none of it', async () => {
    const { gateway, send, upstream } = await startGateway((config) => ({
      ...config,
      admission: { maxInFlight: 2 },
      profiles: {
        standard: { limits: [{ unit: 'parallel', amount: 1, throttleMs: 20_000 }] },
      },
    }));
    upstream.fail({ kind: 'stall' });
    const running = send('/v1/chat/completions', chat());
    await upstream.waitFor(() => true, 60_000);
    const throttled = send('/v1/chat/completions', chat());
    const atDoor = send('/v1/chat/completions', chat());
    await until(() => gateway.health().requests.queued === 1);
    await gateway.close({ drainMs: 50 });
    for (const reply of await Promise.all([running, throttled, atDoor])) {
      expect([reply.status, (await readJson(reply)).error.code]).toEqual([503, 'shutting_down']);
    }
    expect(upstream.requests).toHaveLength(1);
  });

  it('looks no more at how busy the process is', async () => {
    let closed = 0;
    const loadMonitor = { read: () => ({ loopDelayMs: 0, heapShare: 0 }), close: () => closed++ };
    const { gateway } = await startGateway(undefined, { loadMonitor });
    await gateway.close({ drainMs: 1 });
    expect(closed).toBe(1);
  });

  it('closes once, however often it is told to', async () => {
    const { gateway } = await startGateway();
    const first = gateway.close({ drainMs: 1 });
    expect(gateway.close()).toBe(first);
    await first;
  });
});

describe('a caller who hangs up', () => {
  it('leaves the stream to be read for its usage where the configuration says drain', async () => {
    const { gateway, upstream, key } = await startGateway(
      (config) => ({ ...config, relay: { onDisconnect: 'drain' } }),
      {},
      { chunkDelayMs: 10 },
    );
    const server = createServer(toNodeHandler(gateway)).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const caller = ask({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      path: '/v1/chat/completions',
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    });
    caller.on('error', () => undefined);
    caller.on('response', (response) => {
      response.on('error', () => undefined);
      response.once('data', () => caller.destroy());
    });
    caller.end(JSON.stringify(chat({ stream: true })));
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'aborted', usage: { source: 'reported' } });
    expect(upstream.requests[0]?.aborted).toBe(false);
  });
});
