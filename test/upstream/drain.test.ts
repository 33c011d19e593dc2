import { describe, expect, it } from 'vitest';
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
    await upstream.waitFor(() => true);
    upstream.fail({ kind: 'status', status: 500 });
    const pausing = send('/v1/embeddings', { model: 'text-embedding-3-small', input: 'x' });
    await until(() => upstream.requests.length === 2);
    await gateway.close({ drainMs: 50 });
    for (const reply of [await waiting, await pausing]) {
      expect([reply.status, (await readJson(reply)).error.code]).toEqual([503, 'shutting_down']);
    }
  });

  it('closes once, however often it is told to', async () => {
    const { gateway } = await startGateway();
    const first = gateway.close({ drainMs: 1 });
    expect(gateway.close()).toBe(first);
    await first;
  });
});
