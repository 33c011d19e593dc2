import { metrics } from '@opentelemetry/api';
import type { GatewayConfig, GatewayHealth } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { chat, makeKey, readJson, readText, startGateway, until } from '../harness.ts';
import { registerMeter } from '../telemetry/meter.ts';

const operator = makeKey('operators');

async function start(more: (config: GatewayConfig) => Partial<GatewayConfig> = () => ({})) {
  const runtime = createVirtualRuntime();
  const started = await startGateway(
    (config) => ({
      ...config,
      profiles: { ...config.profiles, operators: { models: [], operator: true } },
      teams: { ...config.teams, operators: { profile: 'operators' } },
      keys: [...(config.keys ?? []), operator.record],
      retry: { maxAttempts: 1 },
      breaker: { volumeThreshold: 2, resetTimeoutMs: 30_000 },
      ...more(config),
    }),
    { runtime, onError: () => undefined },
  );
  const read = async (key = operator.key, path = '/headgate/health') => {
    const reply = await started.send(path, undefined, { key });
    return { status: reply.status, headers: reply.headers, body: await readJson(reply) };
  };
  const breakOpen = async () => {
    started.upstream.fail({ kind: 'status', status: 500 }, { times: 4 });
    for (let count = 0; count < 4; count++) await started.send('/v1/chat/completions', chat());
  };
  return { ...started, runtime, read, breakOpen };
}

describe('GET /headgate/health', () => {
  it('tells those whose profile says so how everything is, below any prefix', async () => {
    const { read, send, runtime, breakOpen, gateway, config } = await start();
    await readText(await send('/v1/chat/completions', chat()));
    runtime.advance(5_000);
    const { status, headers, body } = await read();
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toMatchObject({
      object: 'health',
      status: 'serving',
      degraded: [],
      config: { snapshot: 'v1', ageMs: 5_000, warnings: [] },
      requests: { inFlight: 0, queued: 0 },
      limits: { state: 'healthy' },
      targets: [{ target: 'openai/gpt-4.1#default', breaker: 'closed', inFlight: 0, coolDownMs: 0 }],
    });
    await breakOpen();
    const { body: later } = await read(operator.key, '/ai/team/headgate/health');
    expect(later).toMatchObject({ degraded: ['targets'], targets: [{ breaker: 'open' }] });
    expect(later.targets[0].probeInMs).toBeGreaterThan(0);
    expect(gateway.health().degraded).toEqual(['targets']);
    gateway.update(config);
    expect((await read()).body.config).toMatchObject({ snapshot: 'v2', ageMs: 0 });
  });

  it('tells all other keys whether it serves and what is degraded, and no more', async () => {
    const { read, key, breakOpen, gateway } = await start();
    expect((await read(key)).body).toEqual({ object: 'health', status: 'serving', degraded: [] });
    await breakOpen();
    expect((await read(key)).body).toEqual({ object: 'health', status: 'serving', degraded: ['targets'] });
    // a question is no request: it has no record
    expect(gateway.records).toHaveLength(4);
  });

  it('forgets a target that is not in the configuration any more, and keeps what it knows of the others', async () => {
    const { send, gateway, config, runtime, upstream } = await start((config) => ({
      providers: { ...config.providers, other: { ...config.providers.openai! } },
      models: { ...config.models, 'gpt-4.1': { targets: ['openai', 'other'] } },
    }));
    upstream.fail({ kind: 'status', status: 500 }, { times: 2 });
    for (let count = 0; count < 2; count++) await send('/v1/chat/completions', chat());
    expect(gateway.health().degraded).toEqual(['targets']);
    gateway.update(config);
    expect(gateway.health().degraded).toEqual(['targets']);
    gateway.update({ ...config, models: { ...config.models, 'gpt-4.1': { targets: ['other'] } } });
    runtime.advance(30_000);
    await readText(await send('/v1/chat/completions', chat()));
    expect(gateway.health().degraded).toEqual([]);
    const { openai: _, ...providers } = config.providers;
    gateway.update({ ...config, providers, models: { 'gpt-4.1': { targets: ['other'] } } });
    expect(gateway.health().targets.map(({ target }) => target)).toEqual(['other/gpt-4.1#default']);
  });

  it('needs a key, knows GET alone, and tells who asks while it is closing', async () => {
    const { read, send, gateway } = await start();
    expect((await read('hg_live_nonsense')).status).toBe(401);
    const posted = await send('/headgate/health', chat());
    expect(posted.status).toBe(405);
    const closing = gateway.close({ drainMs: 1 });
    const { status, body } = await read();
    expect([status, body.status]).toEqual([503, 'not_serving']);
    await closing;
  });

  it('is short where nobody has to say who he is', async () => {
    const { read, breakOpen } = await start();
    expect((await read(operator.key, '/')).body).toEqual({ status: 'serving' });
    await breakOpen();
    expect((await read(operator.key, '/')).body).toEqual({ status: 'serving', degraded: ['targets'] });
  });

  it('counts functions of routes that failed, until another configuration is in force', async () => {
    const routes: GatewayConfig['routes'] = [
      {
        name: 'own-idea',
        match: {
          when: () => {
            throw new Error('no');
          },
        },
        targets: ['openai'],
      },
    ];
    const { read, send, gateway, config } = await start(() => ({ routes }));
    for (let count = 0; count < 3; count++) await readText(await send('/v1/chat/completions', chat()));
    expect((await read()).body).toMatchObject({ degraded: ['routes'], failedFunctions: { 'own-idea': 3 } });
    gateway.update({ ...config, routes: [] });
    expect((await read()).body).toMatchObject({ degraded: [], failedFunctions: { 'own-idea': 3 } });
  });

  it('says nothing of mirrors that are out: callers miss nothing', async () => {
    const { send, gateway, upstream } = await start((config) => ({
      providers: {
        ...config.providers,
        shadow: { ...config.providers.openai!, baseUrl: 'http://127.0.0.1:9' },
      },
      routes: [{ name: 'copied', mirror: { target: 'shadow' } }],
    }));
    const isOut = () => gateway.health().targets.some(({ breaker }) => breaker === 'open');
    for (let count = 0; !isOut(); count++) {
      await readText(await send('/v1/chat/completions', chat()));
      await until(() => gateway.records.length === 2 * (count + 1));
    }
    expect(upstream.requests).toHaveLength(2);
    expect(gateway.health().degraded).toEqual([]);
  });

  it('tells what became of copies: sent, too many at once, over their budget', async () => {
    const { read, send, gateway } = await start(() => ({
      routes: [
        {
          name: 'copied',
          match: { models: ['gpt-4.1'] },
          mirror: {
            target: 'openai/gpt-new',
            maxConcurrent: 1,
            limits: [{ unit: 'requests', amount: 2, window: '1d' }],
          },
        },
      ],
    }));
    const mirrors = async () => ((await read()).body as GatewayHealth).mirrors.copied;
    const ask = async () => (await send('/v1/chat/completions', chat())).outcome;
    await ask();
    const copies = () => gateway.records.filter(({ mirrorOf }) => mirrorOf !== undefined).length;
    await until(() => copies() === 1);
    await expect.poll(mirrors).toEqual({ sent: 1, failed: 0, full: 0, refused: 0 });
    // two at once: there is a place for one
    const both = [ask(), ask()];
    await Promise.all(both);
    await expect.poll(async () => (await mirrors())?.full).toBe(1);
    await until(() => copies() === 2);
    await ask();
    await expect.poll(mirrors).toEqual({ sent: 2, failed: 0, full: 1, refused: 1 });
  });
});

describe('the metrics of health', () => {
  it('tell the states of breakers, requests and copies, and end with the gateway', async () => {
    const measured = registerMeter();
    const { send, breakOpen, gateway } = await start(() => ({
      routes: [{ name: 'copied', match: { models: ['gpt-alias'] }, mirror: { target: 'openai/gpt-new' } }],
    }));
    await readText(await send('/v1/chat/completions', chat()));
    const target = { 'headgate.target': 'openai/gpt-4.1#default' };
    expect(measured()).toEqual(
      expect.arrayContaining([
        ['headgate.target.breaker', 0, target],
        ['headgate.target.in_flight', 0, target],
        ['headgate.target.cool_down', 0, target],
        ['headgate.requests.in_flight', 0],
        ['headgate.requests.queued', 0],
        ['headgate.config.age', 0],
      ]),
    );
    await breakOpen();
    expect(measured()).toContainEqual(['headgate.target.breaker', 2, target]);
    await readText(await send('/v1/chat/completions', chat({ model: 'gpt-alias' })));
    await expect
      .poll(measured)
      .toContainEqual(['headgate.mirror.copies', 1, { 'headgate.route': 'copied', outcome: 'sent' }]);
    await gateway.close();
    expect(measured()).toEqual([]);
    metrics.disable();
  });
});
