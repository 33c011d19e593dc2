import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, makeKey, readJson, readText, startGateway, until } from '../harness.ts';
import { anthropic, gemini, message } from '../stages/limited-gateway.ts';

describe('the cap on what one request to a model may cost', () => {
  // 10 dollars for a million tokens of output: 1,000 tokens are one cent
  const start = () =>
    startGateway((config) => ({
      ...config,
      models: Object.fromEntries(
        ['gpt-4.1:openai', 'claude-sonnet:anthropic', 'gemini-flash:gemini', 'free:openai'].map((entry) => {
          const [name = '', provider = ''] = entry.split(':');
          const price = { input: 0, output: 10 };
          return [name, { targets: [provider], ...(name !== 'free' && { price, maxCostUsd: '0.01' }) }];
        }),
      ),
    }));

  it('refuses what could cost more, before anything leaves, in the shape of each dialect, and says the sums', async () => {
    const { send, upstream, gateway } = await start();
    const asked: [string, object][] = [
      ['/v1/chat/completions', chat({ max_tokens: 1_001 })],
      ['/v1/messages', message({ max_tokens: 1_001 })],
      [
        '/v1beta/models/gemini-flash:generateContent',
        { ...gemini, generationConfig: { maxOutputTokens: 1_001 } },
      ],
      // several answers cost several times
      ['/v1/chat/completions', chat({ max_tokens: 501, n: 2 })],
    ];
    for (const [path, body] of asked) {
      const reply = await send(path, body, anthropic);
      const { error } = await readJson(reply);
      expect([path, reply.status]).toEqual([path, 400]);
      expect(error.message).toMatch(/could cost \$0\.01\d+ and .* allows \$0\.010000 for one/);
      expect(reply.headers['x-should-retry'] ?? 'false').toBe('false');
    }
    expect(upstream.requests).toHaveLength(0);
    await until(() => gateway.records.length === 4);
    expect(new Set(gateway.records.map(({ errorCode }) => errorCode))).toEqual(
      new Set(['request_too_costly']),
    );
  });

  it('lets pass what costs exactly as much, what produces nothing, and models without one', async () => {
    const { send, upstream } = await start();
    expect((await send('/v1/chat/completions', chat({ max_tokens: 1_000 }))).status).toBe(200);
    expect((await send('/v1/chat/completions', chat({ model: 'free', max_tokens: 1_000_000 }))).status).toBe(
      200,
    );
    const { max_tokens: _, ...counted } = message();
    expect((await send('/v1/messages/count_tokens', counted, anthropic)).status).toBe(200);
    expect(upstream.requests).toHaveLength(3);
  });
});

describe('metadata that a policy asks for', () => {
  const start = () =>
    startGateway((config) => ({
      ...config,
      organisation: { metadata: { required: ['ticket'] } },
      projects: { checkout: { team: 'payments', metadata: { required: ['env'] } } },
    }));

  it('is missing: 400 with the names and the header, and nothing leaves; a list of models needs none', async () => {
    const { send, upstream, gateway } = await start();
    for (const metadata of [undefined, '', 'ticket=', 'env=staging', '{"ticket":"PAY-1"}']) {
      const headers = metadata === undefined ? {} : { 'x-headgate-metadata': metadata };
      const reply = await send('/v1/chat/completions', chat(), { headers });
      const { error } = await readJson(reply);
      expect([reply.status, error.code, error.param]).toEqual([
        400,
        'metadata_required',
        'x-headgate-metadata',
      ]);
    }
    const { error } = await readJson(await send('/v1/messages', message(), anthropic));
    expect([error.type, error.message]).toEqual([
      'invalid_request_error',
      expect.stringMatching(/"ticket", "env".*x-headgate-metadata: ticket=…, env=…/),
    ]);
    expect((await send('/v1/models')).status).toBe(200);
    expect(upstream.requests).toHaveLength(0);
    await until(() => gateway.records.length === 7);
    expect(gateway.records[3]).toMatchObject({ metadata: { env: 'staging' }, outcome: 'refused' });
  });

  it('is there: it is in the record, in either spelling, and does not leave', async () => {
    const { send, upstream, gateway } = await start();
    for (const metadata of ['ticket=PAY-1, env=staging', '{"ticket":"PAY-1","env":"staging"}']) {
      const reply = await send('/v1/chat/completions', chat(), {
        headers: { 'x-headgate-metadata': metadata },
      });
      expect(reply.status).toBe(200);
    }
    await until(() => gateway.records.length === 2);
    for (const { metadata } of gateway.records) expect(metadata).toEqual({ ticket: 'PAY-1', env: 'staging' });
    expect(JSON.stringify(upstream.requests.map(({ rawHeaders }) => rawHeaders))).not.toContain('PAY-1');
  });
});

describe('a model whose end is announced', () => {
  it('says so in every dialect, in refusals of the provider and in counts; and is 404 from its last instant on', async () => {
    const runtime = createVirtualRuntime({ now: Date.UTC(2026, 7, 31, 23, 59, 59, 999) });
    const end = { deprecatedAt: '2026-07-01', retiresAt: '2026-09-01' };
    const { send, upstream } = await startGateway(
      (config) => ({
        ...config,
        models: {
          'gpt-4.1': { targets: ['openai'], ...end, replacement: 'gpt-new' },
          'gpt-new': { targets: ['openai'], aliases: ['gpt-best'] },
          'claude-sonnet': { targets: ['anthropic'], ...end },
          'gemini-flash': { targets: ['gemini'], ...end },
        },
      }),
      { runtime },
    );
    const ask = async (path: string, body: object) => {
      const reply = await send(path, body, anthropic);
      await readText(reply);
      const { deprecation, sunset, 'x-headgate-warning': warning } = reply.headers;
      return [reply.status, deprecation, sunset, warning];
    };
    const { max_tokens: _, ...counted } = message();
    const asked: [string, object, string][] = [
      ['/v1/chat/completions', chat(), 'gpt-4.1'],
      ['/v1/messages', message(), 'claude-sonnet'],
      ['/v1/messages/count_tokens', counted, 'claude-sonnet'],
      ['/v1beta/models/gemini-flash:generateContent', gemini, 'gemini-flash'],
    ];
    const deprecation = `@${Date.UTC(2026, 6, 1) / 1_000}`;
    const sunset = 'Tue, 01 Sep 2026 00:00:00 GMT';
    for (const [path, body, name] of asked) {
      const use = name === 'gpt-4.1' ? ': use gpt-new' : '';
      const warning = `the model ${name} is deprecated and ends on 2026-09-01${use}`;
      expect(await ask(path, body)).toEqual([200, deprecation, sunset, warning]);
    }
    upstream.fail({ kind: 'status', status: 400 });
    expect((await ask('/v1/chat/completions', chat())).slice(0, 3)).toEqual([400, deprecation, sunset]);
    expect(await ask('/v1/chat/completions', chat({ model: 'gpt-best' }))).toEqual([
      200,
      undefined,
      undefined,
      undefined,
    ]);
    runtime.advance(1);
    for (const [path, body] of asked) expect((await ask(path, body))[0]).toBe(404);
  });
});

describe('a batch of models that a profile pins', () => {
  const teams = { cautious: makeKey('cautious'), eager: makeKey('eager') };
  const start = () =>
    startGateway((config, url) => ({
      ...config,
      providers: {
        ...config.providers,
        elsewhere: { type: 'anthropic', apiKey: 'sk-elsewhere', baseUrl: `${url}/elsewhere` },
      },
      models: {
        'claude-sonnet-4': {
          targets: ['anthropic/claude-sonnet-4-20250514'],
          family: 'claude-sonnet',
          releasedAt: '2025-05-14',
        },
        'claude-sonnet-5': {
          targets: ['anthropic/claude-sonnet-5-20260101'],
          family: 'claude-sonnet',
          releasedAt: '2026-01-01',
        },
        'claude-haiku': { targets: ['anthropic/claude-haiku-4-5'] },
        'claude-far': { targets: ['elsewhere'] },
      },
      profiles: {
        cautious: {
          models: ['claude-sonnet-4', 'claude-haiku', 'claude-far'],
          pins: { 'claude-sonnet': 'claude-sonnet-4' },
        },
        eager: {},
      },
      teams: { cautious: { profile: 'cautious' }, eager: { profile: 'eager' } },
      keys: Object.values(teams).map(({ record }) => record),
    }));
  const batch = (...models: string[]) => ({
    requests: models.map((model, index) => ({ custom_id: `c${index}`, params: message({ model }) })),
  });

  it('leaves with the versions that each caller’s own profile gives for the names', async () => {
    const { send, upstream, gateway } = await start();
    for (const team of ['cautious', 'eager'] as const) {
      const body = batch('claude-sonnet', 'claude-haiku', 'claude-sonnet');
      expect((await send('/v1/messages/batches', body, { ...anthropic, key: teams[team].key })).status).toBe(
        200,
      );
    }
    const sent = upstream.requests.map(({ json }) =>
      (json as ReturnType<typeof batch>).requests.map(({ params }) => params.model),
    );
    expect(sent).toEqual([
      ['claude-sonnet-4-20250514', 'claude-haiku-4-5', 'claude-sonnet-4-20250514'],
      ['claude-sonnet-5-20260101', 'claude-haiku-4-5', 'claude-sonnet-5-20260101'],
    ]);
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ requestedModel, model }) => [requestedModel, model])).toEqual([
      ['claude-sonnet', 'claude-sonnet-4'],
      ['claude-sonnet', 'claude-sonnet-5'],
    ]);
  });

  it('is refused whole for one model that the profile does not have, or that lives at another provider', async () => {
    const { send, upstream } = await start();
    const ask = async (team: keyof typeof teams, ...models: string[]) => {
      const reply = await send('/v1/messages/batches', batch(...models), {
        ...anthropic,
        key: teams[team].key,
      });
      return [reply.status, (await readJson(reply)).error.message];
    };
    expect(await ask('cautious', 'claude-sonnet', 'claude-sonnet-5')).toEqual([
      404,
      expect.stringContaining('"claude-sonnet-5" does not exist or is not in your access profile'),
    ]);
    expect(await ask('eager', 'claude-haiku', 'claude-far')).toEqual([
      400,
      expect.stringContaining('"claude-far" is not served by the same provider'),
    ]);
    expect(upstream.requests).toHaveLength(0);
  });
});
