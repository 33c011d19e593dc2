import { createMemorySink, type GatewayConfig } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, makeKey, readJson, startGateway } from '../harness.ts';

const day = (text: string) => Date.parse(text);

/** A catalog with models at every stage of their life, on a clock that starts on 2026-06-15. */
async function startCatalog(change: (config: GatewayConfig) => GatewayConfig = (config) => config) {
  const runtime = createVirtualRuntime({ now: day('2026-06-15') });
  const sink = createMemorySink();
  const started = await startGateway(
    (config) =>
      change({
        ...config,
        models: {
          'gpt-4.1': { targets: ['openai'], aliases: ['best'], releasedAt: '2025-04-14' },
          'gpt-old': {
            targets: ['openai'],
            family: 'gpt',
            releasedAt: '2024-01-01',
            deprecatedAt: '2026-07-01',
            retiresAt: '2026-09-01',
            replacement: 'gpt-4.1',
          },
          'gpt-ending': { targets: ['openai'], retiresAt: '2026-09-01' },
          'gpt-next': { targets: ['openai'], family: 'gpt', releasedAt: '2026-08-01' },
          'gpt-off': { targets: ['openai'], enabled: false },
          'claude-sonnet': { targets: ['anthropic'] },
        },
        profiles: { standard: { models: ['gpt-*'] } },
      }),
    { runtime, sink },
  );
  const ask = (model: string, more: object = {}) =>
    started.send('/v1/chat/completions', chat({ model, ...more }));
  return { ...started, runtime, sink, ask };
}

describe('authorizeModel', () => {
  it('answers the same for a model that does not exist, is switched off, hidden, not released or retired', async () => {
    const { ask, runtime } = await startCatalog();
    runtime.advance(day('2026-07-20') - day('2026-06-15'));
    const answers = [];
    for (const model of ['no-such-1', 'gpt-off', 'claude-sonnet', 'gpt-next']) {
      const reply = await ask(model);
      const { error } = await readJson(reply);
      answers.push([
        reply.status,
        { ...error, message: error.message.replaceAll(model, 'MODEL') },
        Object.keys(reply.headers),
      ]);
    }
    runtime.advance(day('2026-09-01') - day('2026-07-20'));
    const reply = await ask('gpt-old');
    const { error } = await readJson(reply);
    answers.push([
      reply.status,
      { ...error, message: error.message.replaceAll('gpt-old', 'MODEL') },
      Object.keys(reply.headers),
    ]);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject([404, { code: 'model_not_found', param: 'model' }, expect.anything()]);
    expect(JSON.stringify(answers[0])).toContain('GET /v1/models');
  });

  it('tells of the end of a model from its deprecation on, in streams too, and ends it to the millisecond', async () => {
    const { ask, runtime, upstream } = await startCatalog();
    const headersOf = async (model: string, more: object = {}) => {
      const reply = await ask(model, more);
      const { deprecation, sunset, 'x-headgate-warning': warning } = reply.headers;
      if (reply.body instanceof Uint8Array) return [reply.status, deprecation, sunset, warning];
      for await (const _ of reply.body) void _;
      return [reply.status, deprecation, sunset, warning];
    };
    const told = [
      200,
      '@1782864000',
      'Tue, 01 Sep 2026 00:00:00 GMT',
      'the model gpt-old is deprecated and ends on 2026-09-01: use gpt-4.1',
    ];
    runtime.advance(day('2026-07-01') - day('2026-06-15') - 1);
    expect(await headersOf('gpt-old')).toEqual([200, undefined, undefined, undefined]);
    runtime.advance(1);
    expect(await headersOf('gpt-old')).toEqual(told);
    expect(await headersOf('gpt-old', { stream: true })).toEqual(told);
    expect(await headersOf('gpt-4.1')).toEqual([200, undefined, undefined, undefined]);
    expect(await headersOf('gpt-ending')).toEqual([
      200,
      undefined,
      'Tue, 01 Sep 2026 00:00:00 GMT',
      'the model gpt-ending ends on 2026-09-01',
    ]);
    runtime.advance(day('2026-09-01') - day('2026-07-01') - 1);
    expect((await ask('gpt-old')).status).toBe(200);
    const before = upstream.requests.length;
    runtime.advance(1);
    expect((await ask('gpt-old')).status).toBe(404);
    expect(upstream.requests).toHaveLength(before);
  });

  it('keeps the warnings of limits beside that of the model', async () => {
    const { ask, runtime } = await startCatalog((config) => ({
      ...config,
      limits: [{ unit: 'requests', amount: 0, window: '1m', mode: 'warn' }],
    }));
    runtime.advance(day('2026-07-01') - day('2026-06-15'));
    expect((await ask('gpt-old')).headers['x-headgate-warning']).toBe(
      'organisation: 0 requests per 1m for each organisation; the model gpt-old is deprecated and ends on 2026-09-01: use gpt-4.1',
    );
  });

  it('sends families and pinned names under the name of the version, and notes that in the record', async () => {
    const { ask, send, gateway, sink, upstream, config, runtime } = await startCatalog();
    await (await ask('gpt')).outcome;
    runtime.advance(day('2026-08-01') - day('2026-06-15'));
    await (await ask('gpt')).outcome;
    gateway.update({
      ...config,
      profiles: { standard: { models: ['gpt-*'], pins: { gpt: 'gpt-old', best: 'gpt-next' } } },
    });
    await (await ask('gpt')).outcome;
    await (await send('/v1/chat/completions', chat({ model: 'best' }))).outcome;
    expect(sink.records.map(({ requestedModel, model }) => [requestedModel, model])).toEqual([
      ['gpt', 'gpt-old'],
      ['gpt', 'gpt-next'],
      ['gpt', 'gpt-old'],
      ['best', 'gpt-next'],
    ]);
    expect(upstream.requests.map(({ body }) => JSON.parse(body.toString()).model)).toEqual([
      'gpt-old',
      'gpt-next',
      'gpt-old',
      'gpt-next',
    ]);
  });

  it('refuses a model without a price to a key that has a budget of its own', async () => {
    const usd = { unit: 'usd', amount: 5, window: '1d', mode: 'block' } as const;
    const spender = makeKey('payments', { limits: [usd] });
    const warned = makeKey('payments', { limits: [{ ...usd, mode: 'warn' }] });
    const { send } = await startGateway((config) => ({
      ...config,
      keys: [spender.record, warned.record],
    }));
    const ask = (model: string, key: string) => send('/v1/chat/completions', chat({ model }), { key });
    expect((await ask('gpt-4.1', spender.key)).status).toBe(200);
    const refused = await ask('gpt-alias', spender.key);
    expect([refused.status, (await readJson(refused)).error.code]).toEqual([403, 'not_permitted']);
    expect((await ask('gpt-alias', warned.key)).status).toBe(200);
  });

  it("holds a key's own limits beside those it inherits", async () => {
    const limit = { unit: 'requests', amount: 1, window: '1d', mode: 'block' } as const;
    const tight = makeKey('payments', { limits: [limit] });
    const { send, key } = await startGateway((config) => ({
      ...config,
      keys: [...(config.keys ?? []), tight.record],
    }));
    const ask = async (used: string) => (await send('/v1/chat/completions', chat(), { key: used })).status;
    expect([await ask(tight.key), await ask(tight.key), await ask(key), await ask(key)]).toEqual([
      200, 402, 200, 200,
    ]);
  });
});

describe('the list of models', () => {
  it('shows what is known of each model in the shape of the caller, families and aliases among them', async () => {
    const { send, runtime } = await startCatalog((config) => ({
      ...config,
      models: {
        'gpt-4.1': {
          targets: ['openai'],
          aliases: ['best'],
          family: 'gpt',
          releasedAt: '2025-04-14',
          deprecatedAt: '2026-06-01',
          retiresAt: '2026-12-01',
          contextWindow: 1_000_000,
          maxOutputTokens: 32_768,
          description: 'Good at code.',
          displayName: 'GPT 4.1',
        },
      },
    }));
    expect(runtime.now()).toBe(day('2026-06-15'));
    const openai = await readJson(await send('/v1/models'));
    expect(openai.data.map(({ id, created }: { id: string; created: number }) => [id, created])).toEqual(
      ['gpt-4.1', 'best', 'gpt'].map((id) => [id, day('2025-04-14') / 1_000]),
    );
    const anthropic = await readJson(
      await send('/v1/models?limit=2', undefined, { headers: { 'anthropic-version': '2023-06-01' } }),
    );
    expect(anthropic).toMatchObject({ has_more: true, first_id: 'gpt-4.1', last_id: 'best' });
    expect(anthropic.data[1]).toMatchObject({
      id: 'best',
      display_name: 'GPT 4.1',
      created_at: '2025-04-14T00:00:00.000Z',
      max_input_tokens: 1_000_000,
      max_tokens: 32_768,
      lifecycle: 'deprecated',
      deprecated_at: '2026-06-01T00:00:00.000Z',
      retires_at: '2026-12-01T00:00:00.000Z',
    });
    const gemini = await readJson(
      await send('/v1beta/models', undefined, { headers: { 'x-goog-api-client': 'x' } }),
    );
    expect(gemini.models[2]).toEqual({
      name: 'models/gpt',
      displayName: 'GPT 4.1',
      description: 'Good at code.',
      inputTokenLimit: 1_000_000,
      outputTokenLimit: 32_768,
    });
  });

  it('tells which version a family or an alias stands for, and 404 for what the key may not use', async () => {
    const { send } = await startCatalog();
    const get = async (name: string) => {
      const reply = await send(`/v1/models/${name}`);
      return reply.status === 200 ? (await readJson(reply)).id : reply.status;
    };
    expect([await get('best'), await get('gpt'), await get('gpt-old')]).toEqual([
      'gpt-4.1',
      'gpt-old',
      'gpt-old',
    ]);
    expect([await get('claude-sonnet'), await get('gpt-off'), await get('gpt-next')]).toEqual([
      404, 404, 404,
    ]);
  });
});
