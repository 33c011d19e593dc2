import type { GatewayConfig, GatewayRequest, HeaderMap, Ledger, Run } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createMemoryLedger, GatewayError } from '../src/index.ts';
import { chat, type makeKey, readJson, startGateway, until } from './harness.ts';

interface Case {
  readonly config?: (config: GatewayConfig) => GatewayConfig;
  readonly path?: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: HeaderMap;
  /** Requests sent before, to use up a limit. */
  readonly before?: number;
  readonly ledger?: Partial<Ledger>;
  readonly refusal?: GatewayError;
  readonly key?: (record: ReturnType<typeof makeKey>['record']) => object;
  /** Code of the refusal; undefined when the request is served. */
  readonly code?: string;
}

const profile = (standard: object) => (config: GatewayConfig) => ({ ...config, profiles: { standard } });
const priced = (models: GatewayConfig['models']) =>
  Object.fromEntries(
    Object.entries(models).map(([name, model]) => [
      name,
      { ...model, price: { input: 1_000, output: 1_000 } },
    ]),
  );
const limited = (limit: object) => profile({ limits: [limit] });

const down: Partial<Ledger> = {
  reserve: () => Promise.reject(new Error('down')),
  peek: () => Promise.reject(new Error('down')),
};

const cases: Record<string, Case> = {
  'a request that is served': {},
  'the list of models': { path: '/v1/models', method: 'GET' },
  'one model': { path: '/v1/models/gpt-4.1', method: 'GET' },
  'one model that is not there': { path: '/v1/models/none', method: 'GET', code: 'model_not_found' },
  'no key': { headers: { authorization: undefined }, code: 'missing_key' },
  'a wrong key': { headers: { authorization: 'Bearer nonsense' }, code: 'invalid_key' },
  'two keys': { headers: { 'x-api-key': 'other' }, code: 'ambiguous_credentials' },
  'a revoked key': { key: () => ({ revokedAtMs: 1 }), code: 'revoked_key' },
  'an expired key': { key: () => ({ expiresAtMs: 1 }), code: 'expired_key' },
  'a model for the provider to ask by itself that the profile has not': {
    config: profile({ models: ['gpt-4.1'] }),
    body: chat({ models: ['claude-sonnet'] }),
    code: 'unsupported_request',
  },
  'a model for the provider to ask by itself': { body: chat({ models: ['gpt-alias'] }) },
  'a batch of models that no provider serves together': {
    path: '/v1/messages/batches',
    body: {
      requests: ['claude-sonnet', 'gpt-4.1'].map((model) => ({
        custom_id: model,
        params: { model, max_tokens: 5, messages: [{ role: 'user', content: 'hello' }] },
      })),
    },
    headers: { 'anthropic-version': '2023-06-01' },
    code: 'unsupported_request',
  },
  'metadata that is missing': {
    config: profile({ metadata: { required: ['ticket'] } }),
    code: 'metadata_required',
  },
  'metadata that is malformed': { headers: { 'x-headgate-metadata': 'x' }, code: 'malformed_request' },
  'a body that is no JSON': { body: '{', code: 'malformed_request' },
  'a body without a model': { body: { messages: [] }, code: 'malformed_request' },
  'a model that is not there': { body: chat({ model: 'none' }), code: 'model_not_found' },
  'a model that is switched off': {
    config: (config) => ({
      ...config,
      models: { ...config.models, off: { targets: ['openai'], enabled: false } },
    }),
    body: chat({ model: 'off' }),
    code: 'model_not_found',
  },
  'a model outside the profile': {
    config: profile({ models: ['claude-*'] }),
    code: 'model_not_found',
  },
  'a model outside the key': { key: () => ({ models: ['claude-*'] }), code: 'model_not_found' },
  'a model without a price under a budget of the key': {
    key: () => ({ limits: [{ unit: 'usd', amount: 5, window: '1d' }] }),
    body: chat({ model: 'gpt-alias' }),
    code: 'not_permitted',
  },
  'a rate that is used up': {
    config: limited({ unit: 'requests', amount: 1, window: '1m' }),
    before: 1,
    code: 'rate_limited',
  },
  'a quota that is used up': {
    config: limited({ unit: 'requests', amount: 1, window: '1d' }),
    before: 1,
    code: 'budget_exceeded',
  },
  'a limit that only warns': {
    config: limited({ unit: 'requests', amount: 1, window: '1d', mode: 'warn' }),
    before: 1,
  },
  'a budget that this request alone exceeds': {
    config: (config) => ({
      ...limited({ unit: 'usd', amount: '0.001', window: '1d' })(config),
      models: priced(config.models),
    }),
    code: 'request_too_costly',
  },
  'a ledger that cannot tell': {
    config: limited({ unit: 'requests', amount: 1, window: '1m', onFailure: 'closed' }),
    ledger: down,
    code: 'store_unavailable',
  },
  'a ledger that cannot tell, and a limit that each process goes on with': {
    config: limited({ unit: 'requests', amount: 1, window: '1m' }),
    ledger: down,
  },
  'a model of another dialect': { body: chat({ model: 'claude-sonnet' }), code: 'unsupported_request' },
  'a path that is not there': { path: '/v1/nothing', code: 'unknown_endpoint' },
  'a method that is not there': {
    method: 'DELETE',
    path: '/v1/chat/completions',
    code: 'method_not_allowed',
  },
  'a request that is too dear, and lacks what a limit goes by': {
    config: (config) => ({
      ...limited({ unit: 'requests', amount: 1, window: '1d', per: 'endUser', required: true })(config),
      models: { 'gpt-4.1': { targets: ['openai'], price: { input: 1, output: 1_000 }, maxCostUsd: '0.001' } },
    }),
    code: 'request_too_costly',
  },
  'what the adapter refused': {
    refusal: new GatewayError('malformed_request', 'Two Host headers.'),
    code: 'malformed_request',
  },
};

describe('an explanation agrees with what becomes of the same request', () => {
  it.each(Object.entries(cases))('for %s', async (_, given) => {
    const runtime = createVirtualRuntime({ now: Date.parse('2026-06-15T12:34:56Z') });
    const ledger = { ...createMemoryLedger(runtime), ...given.ledger };
    const { gateway, key, upstream } = await startGateway(
      (config) => {
        const keys = (config.keys ?? []).map((record) => ({ ...record, ...given.key?.(record) }));
        return given.config?.({ ...config, keys }) ?? { ...config, keys };
      },
      { runtime, ledger },
    );
    const toRequest = (): GatewayRequest => {
      const { body = chat(), method = 'POST', path = '/v1/chat/completions', headers, refusal } = given;
      const bytes = new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
      return {
        method,
        path,
        query: '',
        headers: {
          authorization: `Bearer ${key}`,
          ...(method === 'POST' && { 'content-type': 'application/json' }),
          ...headers,
        },
        signal: new AbortController().signal,
        readBody: async () => (method === 'POST' ? bytes : new Uint8Array(0)),
        ...(refusal && { refusal }),
      };
    };
    for (let sent = 0; sent < (given.before ?? 0); sent++) await (await gateway.handle(toRequest())).outcome;
    const sentBefore = upstream.requests.length;

    const explanation = await gateway.explain(toRequest());
    expect(upstream.requests, 'explaining sends nothing').toHaveLength(sentBefore);
    const reply = await gateway.handle(toRequest());

    expect(explanation.allowed).toBe(given.code === undefined);
    expect(explanation.refusal?.code).toBe(given.code);
    if (!explanation.refusal) {
      expect(reply.status).toBe(200);
      return;
    }
    const { error } = await readJson(reply);
    expect([explanation.refusal.status, explanation.refusal.message]).toEqual([reply.status, error.message]);
    // the wire has the codes of the dialect; the outcome, and with it the record, has the gateway's own
    expect(await reply.outcome).toMatchObject({
      kind: reply.status < 500 ? 'refused' : 'failed',
      errorCode: given.code,
    });
    // what is no endpoint leaves no record
    if (!explanation.operation) return;
    await until(() => gateway.records.at(-1)?.errorCode === given.code);
    const line = gateway.records.at(-1);
    expect({
      outcome: line?.outcome,
      snapshot: line?.snapshot,
      operation: line?.operation,
      key: line?.key,
      team: line?.team,
      requestedModel: line?.requestedModel,
      model: line?.model,
    }).toEqual({
      outcome: reply.status < 500 ? 'refused' : 'failed',
      snapshot: explanation.snapshot,
      operation: explanation.operation,
      key: explanation.principal?.key,
      team: explanation.principal?.team,
      requestedModel: explanation.requestedModel,
      model: explanation.model,
    });
  });
});

describe('an explanation', () => {
  const ask = (key: string, body: object, headers: HeaderMap = {}): GatewayRequest => ({
    method: 'POST',
    path: '/v1/chat/completions',
    query: '',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    signal: new AbortController().signal,
    readBody: async () => new TextEncoder().encode(JSON.stringify(body)),
  });

  it('tells every value of the profile and where it came from, how the model was found, and what it would cost', async () => {
    const runtime = createVirtualRuntime({ now: Date.parse('2026-06-15T12:00:00Z') });
    const { gateway, key, record } = await startGateway(
      (config) => ({
        ...config,
        organisation: { metadata: { required: ['ticket'] }, regions: ['eu*'] },
        providers: { openai: { type: 'openai', ...config.providers.openai, region: 'eu-1' } },
        models: {
          'gpt-4.1': {
            targets: ['openai'],
            family: 'gpt',
            version: '4.1',
            releasedAt: '2025-04-14',
            deprecatedAt: '2026-06-01',
            price: { input: 2, output: 8 },
          },
          'gpt-5': {
            targets: ['openai'],
            family: 'gpt',
            releasedAt: '2025-08-07',
            price: { input: 2, output: 8 },
          },
        },
        profiles: {
          standard: {
            models: ['gpt-*'],
            pins: { gpt: 'gpt-4.1' },
            billing: 'standard',
            clampOutput: true,
            limits: [{ unit: 'tokens', amount: 100_000, window: '1h' }],
          },
        },
        projects: {
          checkout: { team: 'payments', capture: 'full', limits: [{ unit: 'parallel', amount: 5 }] },
        },
        limits: [{ unit: 'usd', amount: 10, window: '1d' }],
      }),
      { runtime },
    );
    const body = chat({ model: 'gpt', max_tokens: 100 });
    const explanation = await gateway.explain(ask(key, body, { 'x-headgate-metadata': 'ticket=PAY-1' }));
    const inputTokens = explanation.estimate?.inputTokens ?? 0;
    expect(inputTokens).toBeGreaterThan(5);
    expect(explanation).toMatchObject({
      allowed: true,
      snapshot: 'v1',
      principal: { source: 'key', key: record.kid, team: 'payments', project: 'checkout', user: 'ada' },
      metadata: { ticket: 'PAY-1' },
      profile: 'standard',
      policy: {
        profile: { value: 'standard', origin: 'teams.payments.profile' },
        models: [{ origin: 'profiles.standard.models', patterns: ['gpt-*'] }],
        pins: [{ name: 'gpt', model: 'gpt-4.1', origin: 'profiles.standard.pins.gpt' }],
        limits: [
          { origin: 'limits[0]' },
          { origin: 'profiles.standard.limits[0]' },
          { origin: 'projects.checkout.limits[0]' },
        ],
        billing: { value: 'standard', origin: 'profiles.standard.billing' },
        capture: { value: 'full', origin: 'projects.checkout.capture' },
        requiredMetadata: [{ value: 'ticket', origin: 'organisation.metadata.required' }],
        regions: [{ origin: 'organisation.regions', patterns: ['eu*'] }],
        operator: { value: false, origin: 'default' },
        clampOutput: { value: true, origin: 'profiles.standard.clampOutput' },
      },
      requestedModel: 'gpt',
      model: 'gpt-4.1',
      modelVersion: '4.1',
      resolution: [{ by: 'pin', from: 'gpt', to: 'gpt-4.1', origin: 'profiles.standard.pins.gpt' }],
      deprecation: 'the model gpt-4.1 is deprecated',
      estimate: {
        inputTokens,
        outputTokens: 100,
        estimatedCostNanoUsd: inputTokens * 2_000 + 100 * 8_000,
      },
      limits: [
        { origin: 'limits[0]', unit: 'usd', used: 0, amount: 10e9, wouldPass: true },
        { origin: 'profiles.standard.limits[0]', unit: 'tokens', hold: inputTokens + 100, wouldPass: true },
        { origin: 'projects.checkout.limits[0]', unit: 'parallel', hold: 1, wouldPass: true },
      ],
      plan: [{ target: 'openai/gpt-4.1#default', breaker: 'closed', coolDownMs: 0 }],
    });
    expect(JSON.stringify(explanation)).not.toContain(key);
  });

  it('shows the limits and their state when one of them refuses', async () => {
    const { gateway, key } = await startGateway((config) => ({
      ...config,
      limits: [{ unit: 'requests', amount: 10, window: '1d' }],
      profiles: { standard: { limits: [{ unit: 'requests', amount: 1, window: '1d' }] } },
    }));
    await (await gateway.handle(ask(key, chat()))).outcome;
    const explanation = await gateway.explain(ask(key, chat()));
    expect(explanation.refusal?.code).toBe('budget_exceeded');
    expect(explanation.limits?.map(({ used, wouldPass }) => [used, wouldPass])).toEqual([
      [1, true],
      [1, false],
    ]);
    expect(explanation.plan).toBeUndefined();
    // and counted nothing
    expect((await gateway.explain(ask(key, chat()))).limits).toEqual(explanation.limits);
  });

  it('lets a limit pass that leaves less output than was asked for, where the profile says so', async () => {
    const { gateway, key } = await startGateway((config) => ({
      ...config,
      profiles: {
        standard: { clampOutput: true, limits: [{ unit: 'tokens', amount: 300, window: '1d' }] },
      },
    }));
    const explanation = await gateway.explain(ask(key, chat()));
    expect(explanation).toMatchObject({ allowed: true, limits: [{ amount: 300, wouldPass: true }] });
    expect(explanation.limits?.[0]?.hold).toBeGreaterThan(300);
  });

  it('tells that the run is refused which the host says the request is part of', async () => {
    const { gateway, key } = await startGateway(undefined, {
      runOf: () => ({ headers: { 'x-headgate-run': 'hgrun_a.b.c' } }) as Run,
    });
    const { error } = await readJson(await gateway.handle(ask(key, chat())));
    const { refusal } = await gateway.explain(ask(key, chat()));
    expect(refusal).toEqual({ status: 400, code: error.code, message: error.message });
  });

  it('has no cost for a model without a price', async () => {
    const { gateway, key } = await startGateway();
    const { estimate } = await gateway.explain(ask(key, chat({ model: 'gpt-alias' })));
    expect(estimate).toMatchObject({ outputTokens: 4_096, estimatedCostNanoUsd: null });
  });
});
