import type { GatewayConfig } from 'headgate';
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

type RouteTargets = NonNullable<NonNullable<GatewayConfig['routes']>[number]['targets']>;

describe('a model that a request names for the provider to ask by itself', () => {
  const names = ['claude-sonnet', 'claude-helper', 'gpt-4.1', 'gpt-helper'];
  const start = (targets: RouteTargets = []) =>
    startGateway((config) => ({
      ...config,
      models: {
        ...config.models,
        'claude-helper': { targets: ['anthropic/claude-3-helper'] },
        'gpt-helper': { targets: ['openai/gpt-image-helper'] },
        'claude-opus': { targets: ['anthropic'] },
        'gpt-opus': { targets: ['openai'] },
      },
      profiles: { standard: { models: names } },
      ...(targets.length > 0 && { routes: [{ name: 'stripped', targets }] }),
    }));
  const batch = (params: object) => ({
    requests: [
      { custom_id: 'a', params: message() },
      { custom_id: 'b', params: message(params) },
    ],
  });
  /** The path, the body for the name of a helper, the member that names it, and what stands there of what was sent. */
  // biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
  const cases: [string, string, (name: string) => object, string, (body: any) => unknown][] = [
    [
      'a fallback',
      '/v1/messages',
      (model) => message({ fallbacks: [{ model: 'claude-sonnet' }, { model, max_tokens: 9 }] }),
      'fallbacks.model',
      (body) => body.fallbacks[1].model,
    ],
    [
      'a tool',
      '/v1/messages',
      (model) => message({ tools: [{ name: 'a' }, { type: 'advisor_20260301', name: 'advisor', model }] }),
      'tools.model',
      (body) => body.tools[1].model,
    ],
    [
      'a tool whose tokens are counted',
      '/v1/messages/count_tokens',
      (model) => ({ ...message({ tools: [{ type: 'advisor_20260301', model }] }), max_tokens: undefined }),
      'tools.model',
      (body) => body.tools[0].model,
    ],
    [
      'a fallback in a batch',
      '/v1/messages/batches',
      (model) => batch({ fallbacks: [{ model }] }),
      'fallbacks.model',
      (body) => body.requests[1].params.fallbacks[0].model,
    ],
    [
      'a tool of a response',
      '/v1/responses',
      (model) => ({ model: 'gpt-4.1', input: 'hi', tools: [{ type: 'image_generation', model }] }),
      'tools.model',
      (body) => body.tools[0].model,
    ],
    [
      'a list of names',
      '/v1/chat/completions',
      (model) => chat({ models: ['gpt-4.1', model] }),
      'models',
      (body) => body.models[1],
    ],
  ];

  it.each(cases)(
    'is refused in %s where the profile has it not, and nothing leaves',
    async (_, path, body, member) => {
      const { send, upstream, gateway } = await start();
      const family = path.startsWith('/v1/messages') ? 'claude' : 'gpt';
      // more than a breaker needs to open
      for (let time = 0; time < 12; time++) {
        const reply = await send(path, body(`${family}-opus`), anthropic);
        const { error } = await readJson(reply);
        expect([reply.status, error.type]).toEqual([400, 'invalid_request_error']);
        // as Anthropic writes it: Claude Code looks for `fallbacks.…` in a 400
        expect(error.message).toContain(`\`${member}\`: the model "${family}-opus" does not exist or is not`);
      }
      expect(upstream.requests).toHaveLength(0);
      await until(() => gateway.records.length === 12);
      expect(gateway.records[11]).toMatchObject({
        outcome: 'refused',
        errorCode: 'unsupported_request',
        attempts: [],
      });
      expect((await send(path, body(`${family}-helper`), anthropic)).status).toBe(200);
    },
  );

  it.each(cases)('has in %s the name that it has at the provider', async (_, path, body, __, sent) => {
    const { send, upstream } = await start();
    const family = path.startsWith('/v1/messages') ? 'claude' : 'gpt';
    expect((await send(path, body(`${family}-helper`), anthropic)).status).toBe(200);
    const name = family === 'claude' ? 'claude-3-helper' : 'gpt-image-helper';
    expect(sent(JSON.parse(upstream.requests[0]?.body.toString() ?? ''))).toBe(name);
  });

  it('is not named twice in one item: 400, and nothing leaves', async () => {
    const { send, upstream } = await start();
    for (const [member, more] of [
      ['fallbacks', ''],
      ['tools', '"name":"a",'],
    ]) {
      const item = `{${more}"model":"claude-helper","model":"claude-opus"}`;
      const text = JSON.stringify(message()).replace('{', `{"${member}":[${item}],`);
      const reply = await send('/v1/messages', text, anthropic);
      expect([reply.status, (await readJson(reply)).error.message]).toEqual([
        400,
        expect.stringContaining('model'),
      ]);
    }
    expect(upstream.requests).toHaveLength(0);
  });

  it('is one of 128 in a list at the most', async () => {
    const { send } = await start();
    const ask = (count: number) =>
      send('/v1/chat/completions', chat({ models: Array.from({ length: count }, () => 'gpt-helper') }));
    expect((await ask(128)).status).toBe(200);
    const reply = await ask(129);
    expect([reply.status, (await readJson(reply)).error.message]).toEqual([
      400,
      expect.stringContaining('"models" names more than 128 models'),
    ]);
  });

  it('is found behind escapes', async () => {
    const { send, upstream } = await start();
    const text = JSON.stringify(message({ tools: [{ type: 'advisor', model: 'claude-opus' }] }));
    for (const escaped of [
      text
        .replace('"tools"', '"t\\u006fols"')
        .replace('"model":"claude-opus"', '"m\\u006fdel":"claude-opus"'),
      text.replace('"claude-opus"', '"claude\\u002dopus"'),
    ]) {
      expect(escaped).not.toBe(text);
      expect((await send('/v1/messages', escaped, anthropic)).status).toBe(400);
    }
    expect(upstream.requests).toHaveLength(0);
  });

  it('is asked for at providers that serve it, and refused where none of the plan does', async () => {
    const { send, upstream } = await start();
    const elsewhere = await send(
      '/v1/messages',
      message({ fallbacks: [{ model: 'gpt-helper' }] }),
      anthropic,
    );
    expect([elsewhere.status, (await readJson(elsewhere)).error.message]).toEqual([
      400,
      expect.stringContaining('"gpt-helper" is not served by the provider of this request'),
    ]);
    expect(upstream.requests).toHaveLength(0);
  });

  it('leaves the targets of a plan that take the member away, whoever’s turn it is', async () => {
    const { send, upstream } = await start([
      { provider: 'anthropic', model: 'first' },
      { provider: 'anthropic', model: 'second', body: { fallbacks: null } },
    ]);
    const named = message({ fallbacks: [{ model: 'claude-opus' }] });
    for (let turn = 0; turn < 4; turn++) {
      expect((await send('/v1/messages', named, anthropic)).status).toBe(200);
    }
    const sent = upstream.requests.map(({ body }) => JSON.parse(body.toString()));
    expect(sent.map(({ model, fallbacks }) => [model, fallbacks])).toEqual(
      Array.from({ length: 4 }, () => ['second', undefined]),
    );
  });

  it('is not asked for where the target takes the member away; what is no list of names is left alone', async () => {
    const { send, upstream } = await start([{ provider: 'anthropic', body: { fallbacks: null } }]);
    const named = message({ fallbacks: [{ model: 'claude-opus' }] });
    expect((await send('/v1/messages', named, anthropic)).status).toBe(200);
    expect(upstream.requests[0]?.body.toString()).not.toContain('fallbacks');
    for (const more of [
      { tools: [{ name: 'a', input_schema: { properties: { model: { type: 'string' } } } }] },
      { tools: [{ name: 'a', model: null }, 7] },
    ]) {
      expect((await send('/v1/messages', message(more), anthropic)).status).toBe(200);
    }
    const { send: unrouted } = await start();
    expect((await unrouted('/v1/messages', message({ fallbacks: 'default' }), anthropic)).status).toBe(200);
  });
});
