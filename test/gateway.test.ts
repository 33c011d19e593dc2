import { createGateway, createMemorySink, createUndiciEgress, isGatewayError } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, vi } from 'vitest';
import { chat, makeKey, readJson, readText, startGateway, until } from './harness.ts';

describe('a gateway', () => {
  it('relays a chat completion with the model as it was named and leaves one record with usage and cost', async () => {
    const { gateway, upstream, send, record } = await startGateway();
    const reply = await send('/v1/chat/completions', chat());
    expect(reply.status).toBe(200);
    const body = await readJson(reply);
    await reply.outcome;
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]?.headers.authorization).toBe('Bearer sk-upstream-openai');
    expect(gateway.records).toHaveLength(1);
    const [row] = gateway.records;
    expect(row).toMatchObject({
      outcome: 'complete',
      status: 200,
      key: record.kid,
      team: 'payments',
      project: 'checkout',
      user: 'ada',
      requestedModel: 'gpt-4.1',
      model: 'gpt-4.1',
      target: 'openai/gpt-4.1',
      usage: {
        inputTokens: body.usage.prompt_tokens,
        outputTokens: body.usage.completion_tokens,
        source: 'reported',
      },
      costNanoUsd: body.usage.prompt_tokens * 2_000 + body.usage.completion_tokens * 8_000,
      snapshot: 'v1',
    });
    expect(reply.headers['x-request-id']).toBe(row?.id);
  });

  it('leaves one record whatever the end: refused key, hidden model, broken stream, gone caller, replayed', async () => {
    const { gateway, upstream, send } = await startGateway();
    await send('/v1/chat/completions', chat(), { key: 'nonsense' });
    await send('/v1/chat/completions', chat({ model: 'hidden' }));
    upstream.fail({ kind: 'cut', how: 'clean-end', afterChunks: 1 });
    await readText(await send('/v1/chat/completions', chat({ stream: true })));
    const controller = new AbortController();
    const streaming = await send('/v1/chat/completions', chat({ stream: true }), {
      signal: controller.signal,
    });
    controller.abort();
    await (streaming.body as AsyncIterableIterator<Uint8Array>).return?.();
    await until(() => gateway.records.length === 4);
    expect(gateway.records.map(({ outcome, errorCode }) => [outcome, errorCode])).toEqual([
      ['refused', 'invalid_key'],
      ['refused', 'model_not_found'],
      ['failed', 'stream_incomplete'],
      ['aborted', 'caller_gone'],
    ]);
    expect(new Set(gateway.records.map(({ id }) => id)).size).toBe(4);
  });

  it('decides the next request by the new configuration after update, and a running one by the old', async () => {
    const { gateway, send, config } = await startGateway();
    const running = await send('/v1/chat/completions', chat({ stream: true }));
    const off = { ...config.models['gpt-4.1']!, enabled: false };
    gateway.update({ ...config, models: { ...config.models, 'gpt-4.1': off } });
    expect((await send('/v1/chat/completions', chat())).status).toBe(404);
    expect(await readText(running)).toContain('[DONE]');
    expect(gateway.snapshot.id).toBe('v2');
  });

  it('keeps the configuration in force when a new one is not valid, and names every mistake with its path', async () => {
    const { gateway, send, config } = await startGateway();
    expect(() =>
      gateway.update({
        ...config,
        models: { broken: { targets: ['nobody/x'] } },
        teams: { t: { profile: 'none' } },
      }),
    ).toThrow(
      /models\.broken\.targets\[0\]: no provider "nobody"[\s\S]*teams\.t\.profile: no profile "none"/,
    );
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });

  it('stops accepting a key that an update revoked, at the next request, without touching another', async () => {
    const other = makeKey('payments');
    const { gateway, send, config, record } = await startGateway((given) => ({
      ...given,
      keys: [...(given.keys ?? []), other.record],
    }));
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    gateway.update({ ...config, keys: [{ ...record, revokedAtMs: 1 }, other.record] });
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, (await readJson(refused)).error.code]).toEqual([401, 'revoked_key']);
    expect((await send('/v1/chat/completions', chat(), { key: other.key })).status).toBe(200);
  });

  it('lists only the models the key may use, in the shape of the caller, and hides the rest', async () => {
    const narrow = makeKey('payments', { models: ['claude-*'] });
    const { send } = await startGateway((given) => ({
      ...given,
      keys: [...(given.keys ?? []), narrow.record],
    }));
    const openai = await readJson(await send('/v1/models'));
    expect(openai.object).toBe('list');
    expect(openai.data).toHaveLength(5);
    const anthropic = await readJson(
      await send('/v1/models', undefined, {
        key: narrow.key,
        headers: { 'anthropic-version': '2023-06-01' },
      }),
    );
    expect(anthropic.data.map((model: { id: string }) => model.id)).toEqual(['claude-sonnet']);
    expect(anthropic.has_more).toBe(false);
    const gemini = await readJson(
      await send('/v1beta/models', undefined, { headers: { 'x-goog-api-client': 'x' } }),
    );
    expect(gemini.models[0].name).toMatch(/^models\//);
    expect((await send('/v1/models/gpt-4.1', undefined, { key: narrow.key })).status).toBe(404);
    expect((await send('/v1/chat/completions', chat(), { key: narrow.key })).status).toBe(404);
  });

  it('answers unknown paths, wrong methods and health without a key', async () => {
    const { send, gateway } = await startGateway();
    expect((await send('/', undefined, { key: '' })).status).toBe(200);
    expect((await send('/', undefined, { method: 'HEAD', key: '' })).status).toBe(200);
    const unknown = await send('/v1/nothing', {}, { headers: { 'anthropic-version': '2023-06-01' } });
    expect(unknown.status).toBe(404);
    expect(await readJson(unknown)).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
    expect((await send('/v1/chat/completions')).status).toBe(405);
    expect(gateway.records).toHaveLength(0);
  });

  it('refuses new requests while closing, waits for running ones and then flushes the sink', async () => {
    let flushed = false;
    const sink = {
      ...createMemorySink(),
      async flush() {
        flushed = true;
      },
    };
    const { gateway, send } = await startGateway(undefined, { sink });
    const running = await send('/v1/chat/completions', chat({ stream: true }));
    const closing = gateway.close({ drainMs: 10_000 });
    const refused = await send('/v1/chat/completions', chat());
    expect(refused.status).toBe(503);
    expect(flushed).toBe(false);
    expect(await readText(running)).toContain('[DONE]');
    await closing;
    expect(flushed).toBe(true);
  });

  it.each([
    ['never ends', () => new Promise<void>(() => undefined), 'The sink did not answer in 10000 ms.'],
    ['rejects', () => Promise.reject(new Error('full')), 'full'],
    [
      'throws',
      () => {
        throw new Error('full');
      },
      'full',
    ],
  ])('closes all the same when the flush of its sink %s, and tells of it', async (_, flush, told) => {
    const runtime = createVirtualRuntime();
    const errors: unknown[] = [];
    const egress = createUndiciEgress();
    const close = vi.spyOn(egress, 'close');
    const flushing = vi.fn(flush);
    const { gateway } = await startGateway(undefined, {
      ...{ runtime, egress },
      sink: { ...createMemorySink(), flush: flushing },
      onError: (error) => errors.push(error),
    });
    const closing = gateway.close();
    await until(() => flushing.mock.calls.length === 1);
    runtime.advance(10_000);
    await closing;
    expect(close).toHaveBeenCalledTimes(1);
    expect(errors).toEqual([expect.objectContaining({ message: told })]);
  });

  it('shares nothing with another gateway in the same process', async () => {
    const one = await startGateway();
    const other = await startGateway();
    expect((await other.send('/v1/chat/completions', chat(), { key: one.key })).status).toBe(401);
    expect(one.gateway.records).toHaveLength(0);
  });

  it("turns a bug in a stage into a 500 in the caller's dialect, tells onError, and leaves a record", async () => {
    const errors: unknown[] = [];
    const bug = new Error('secret detail');
    const sink = createMemorySink();
    const { send } = await startGateway(undefined, {
      sink,
      keyResolver: {
        resolve: () => {
          throw bug;
        },
        forget: () => undefined,
        forgetAll: () => undefined,
      },
      onError: (error) => errors.push(error),
    });
    const reply = await send('/v1/messages', {}, { headers: { 'anthropic-version': '2023-06-01' } });
    expect(reply.status).toBe(500);
    expect(await readText(reply)).not.toContain('secret detail');
    expect(errors).toEqual([bug]);
    expect(sink.records[0]).toMatchObject({ outcome: 'failed', errorCode: 'internal_error' });
  });

  it('throws a TypeError at construction for a configuration that is not one', () => {
    expect(() => createGateway({ providers: {}, models: { m: { targets: [] } } })).toThrow(TypeError);
    expect(isGatewayError(new Error('x'))).toBe(false);
  });

  it('explains a request without sending it: principal, model, limits and plan, or why it would be refused', async () => {
    const { gateway, upstream, key } = await startGateway((given) => ({
      ...given,
      profiles: { standard: { limits: [{ unit: 'requests', amount: 1, window: '1h' }] } },
    }));
    const request = (body: object) => ({
      method: 'POST',
      path: '/v1/chat/completions',
      query: '',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      signal: new AbortController().signal,
      readBody: async () => new TextEncoder().encode(JSON.stringify(body)),
    });
    const explanation = await gateway.explain(request(chat({ model: 'gpt-alias' })));
    expect(explanation).toMatchObject({
      allowed: true,
      profile: 'standard',
      model: 'gpt-alias',
      principal: { team: 'payments' },
      plan: [{ target: 'openai/gpt-4.1-mini#default', breaker: 'closed' }],
    });
    expect(explanation.limits?.[0]).toMatchObject({ used: 0, held: 0, amount: 1, wouldPass: true });
    await (await gateway.handle(request(chat()))).outcome;
    expect((await gateway.explain(request(chat()))).allowed).toBe(false);
    expect((await gateway.explain(request(chat({ model: 'none' })))).refusal).toMatchObject({
      code: 'model_not_found',
      status: 404,
    });
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('gateway.fetch', () => {
  it('answers a WHATWG request, streamed or not, as the core does', async () => {
    const { gateway, key } = await startGateway();
    const request = (body: object) =>
      new Request('http://gateway.test/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const plain = await gateway.fetch(request(chat()));
    expect(plain.status).toBe(200);
    expect(await plain.json()).toMatchObject({ object: 'chat.completion' });
    const streamed = await gateway.fetch(request(chat({ stream: true })));
    expect(streamed.headers.get('content-type')).toContain('text/event-stream');
    expect(await streamed.text()).toContain('data: [DONE]');
    await until(() => gateway.records.length === 2);
  });
});
