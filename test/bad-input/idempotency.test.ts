import { describe, expect, it } from 'vitest';
import { chat, makeKey, readText, startGateway, until } from '../harness.ts';

describe('an idempotency key', () => {
  const send = (
    started: Awaited<ReturnType<typeof startGateway>>,
    id: string,
    body: object,
    key = started.key,
  ) => started.send('/v1/chat/completions', body, { headers: { 'idempotency-key': id }, key });

  it('that is done is answered again without a second call, under an id of its own', async () => {
    const started = await startGateway();
    const first = await send(started, 'a', chat());
    const again = await send(started, 'a', chat());
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(await readText(again)).toBe(await readText(first));
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
    expect(started.upstream.requests).toHaveLength(1);
    await until(() => started.gateway.records.length === 2);
    expect(started.gateway.records[1]).toMatchObject({ replayed: true, attempts: [] });
  });

  it('carries no id of the first request into the second, in any header', async () => {
    const { send: ask } = await startGateway();
    const body = { model: 'claude-sonnet', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] };
    const headers = { 'anthropic-version': '2023-06-01', 'idempotency-key': 'a' };
    await ask('/v1/messages', body, { headers });
    const again = await ask('/v1/messages', body, { headers });
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.headers['request-id']).toBe(again.headers['x-request-id']);
  });

  it('under way is 409, with another body 422, of another key nothing to do with it', async () => {
    const other = makeKey('payments');
    const started = await startGateway((config) => ({
      ...config,
      keys: [...(config.keys ?? []), other.record],
    }));
    started.upstream.fail({ kind: 'delay', delayMs: 200 });
    const first = send(started, 'a', chat());
    await until(() => started.upstream.requests.length === 1);
    const [conflict, mismatch, independent] = await Promise.all([
      send(started, 'a', chat()),
      send(started, 'a', chat({ n: 2 })),
      send(started, 'a', chat(), other.key),
    ]);
    expect([conflict.status, mismatch.status, independent.status]).toEqual([409, 422, 200]);
    expect(conflict.headers['x-should-retry']).toBe('false');
    expect((await first).status).toBe(200);
    expect((await send(started, 'a', chat({ n: 2 }))).status).toBe(422);
    expect(started.upstream.requests).toHaveLength(2);
  });

  it('of a request that failed, or that was streamed, may be used again', async () => {
    const started = await startGateway((config) => ({ ...config, retry: { maxAttempts: 1 } }));
    started.upstream.fail({ kind: 'status', status: 500 });
    expect((await send(started, 'a', chat())).status).toBe(502);
    expect((await send(started, 'a', chat())).status).toBe(200);
    await readText(await send(started, 'b', chat({ stream: true })));
    await until(() => started.gateway.records.length === 3);
    expect(await readText(await send(started, 'b', chat({ stream: true })))).toContain('[DONE]');
    expect(started.upstream.requests).toHaveLength(4);
  });

  it.each(['', 'x'.repeat(256)])('of %j is 400', async (id) => {
    const started = await startGateway();
    expect((await send(started, id, chat())).status).toBe(400);
  });

  it('of one path says nothing of another path with the same key', async () => {
    const { send: ask, upstream } = await startGateway();
    const headers = { 'idempotency-key': 'a' };
    const body = { model: 'text-embedding-3-small', input: 'x' };
    expect((await ask('/v1/embeddings', body, { headers })).status).toBe(200);
    expect((await ask('/v1/chat/completions', chat(), { headers })).status).toBe(200);
    expect(upstream.requests).toHaveLength(2);
  });
});
