import type { GatewayConfig } from 'headgate';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { anthropic, message } from '../stages/limited-gateway.ts';

type Routes = NonNullable<GatewayConfig['routes']>;

/** A gateway with routes, in front of two upstreams: `openai` and the like, and `second`. */
async function start(routes: Routes, more: Partial<GatewayConfig> = {}) {
  const second = await createFakeUpstream();
  onTestFinished(() => second.close());
  const started = await startGateway((config) => ({
    ...config,
    providers: {
      ...config.providers,
      second: { type: 'openai', apiKey: 'sk-second', baseUrl: `${second.url}/v1`, region: 'eu-west' },
      ...more.providers,
    },
    ...more,
    routes,
  }));
  return { ...started, second };
}

describe('a request on a route', () => {
  it('goes where the route says, is recorded with route and arm, and fails over to the next tier', async () => {
    const { send, upstream, second, gateway } = await start([
      {
        name: 'canary',
        match: { models: ['gpt-*'] },
        tiers: [
          { targets: [{ provider: 'second', model: 'gpt-5', arm: 'canary' }] },
          { targets: ['openai/gpt-4.1'] },
        ],
      },
    ]);
    expect((await readJson(await send('/v1/chat/completions', chat()))).model).toContain('gpt-5');
    second.fail({ kind: 'status', status: 503 });
    expect((await readJson(await send('/v1/chat/completions', chat()))).model).toContain('gpt-4.1');
    expect([second.requests.length, upstream.requests.length]).toEqual([2, 1]);
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ route, arm, target }) => [route, arm, target])).toEqual([
      ['canary', 'canary', 'second/gpt-5'],
      ['canary', 'canary', 'openai/gpt-4.1'],
    ]);
  });

  it('is sent with what its target overrides, and is otherwise byte for byte as it came', async () => {
    const { send, upstream } = await start([
      {
        name: 'flex',
        targets: [
          {
            provider: 'openai',
            model: 'gpt-5',
            headers: { 'x-team': 'payments', 'user-agent': 'gateway' },
            body: { service_tier: 'flex', temperature: null },
          },
        ],
      },
    ]);
    const body =
      '{ "model":"gpt-4.1",  "temperature":0.50,\n"messages":[{"role":"user","content":"\\u00e9"}] }';
    const reply = await send('/v1/chat/completions', body, { headers: { 'user-agent': 'client' } });
    expect(reply.status).toBe(200);
    await readText(reply);
    const [sent] = upstream.requests;
    expect(sent?.body.toString()).toBe(
      '{ "model":"gpt-5",  "messages":[{"role":"user","content":"\\u00e9"}] ,"service_tier":"flex"}',
    );
    expect([sent?.headers['x-team'], sent?.headers['user-agent']]).toEqual(['payments', 'gateway']);
    expect(sent?.headers.authorization).toBe('Bearer sk-upstream-openai');
  });

  it('is decided by the next configuration after a change', async () => {
    const { send, upstream, second, gateway, config } = await start([{ name: 'one', targets: ['second'] }]);
    await readText(await send('/v1/chat/completions', chat()));
    gateway.update({ ...config, routes: [{ name: 'one', active: false, targets: ['second'] }] });
    await readText(await send('/v1/chat/completions', chat()));
    expect([second.requests.length, upstream.requests.length]).toEqual([1, 1]);
  });

  it('never leaves the regions of its profile, whatever fails', async () => {
    const { send, upstream, second } = await start(
      [{ name: 'eu', regions: ['eu-*'], tiers: [{ targets: ['second'] }, { targets: ['openai'] }] }],
      { retry: { maxAttempts: 3, minBackoffMs: 1, maxBackoffMs: 2 } },
    );
    second.fail({ kind: 'status', status: 503 }, { times: 20 });
    const reply = await send('/v1/chat/completions', chat());
    expect(reply.status).toBeGreaterThanOrEqual(500);
    await readText(reply);
    expect(second.requests.length).toBeGreaterThan(0);
    expect(upstream.requests).toHaveLength(0);
  });

  it('survives a function that throws', async () => {
    const { send } = await start([
      {
        name: 'mine',
        match: {
          when: () => {
            throw new Error('boom');
          },
        },
        targets: ['second'],
      },
    ]);
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
  });
});

describe('who pays on a route', () => {
  const own = { 'x-headgate-key': '', authorization: 'Bearer sk-ant-oat01-own' };
  const passthrough: Partial<GatewayConfig> = { profiles: { standard: { billing: 'passthrough' } } };

  it('is never the gateway for a caller who pays itself', async () => {
    const { send, upstream, key } = await start(
      [
        {
          name: 'one',
          tiers: [{ targets: [{ provider: 'anthropic', billing: 'standard' }] }, { targets: ['anthropic'] }],
        },
      ],
      passthrough,
    );
    const headers = { ...anthropic.headers, ...own, 'x-headgate-key': key };
    await readText(await send('/v1/messages', message(), { headers }));
    expect(upstream.requests.map((sent) => sent.headers.authorization)).toEqual(['Bearer sk-ant-oat01-own']);
  });

  it('may be the caller where the route says so, and the gateway where the caller sends nothing', async () => {
    const { send, upstream, key, gateway } = await start([
      {
        name: 'one',
        tiers: [{ targets: [{ provider: 'anthropic', billing: 'passthrough' }] }, { targets: ['anthropic'] }],
      },
    ]);
    const headers = { ...anthropic.headers, ...own, 'x-headgate-key': key };
    await readText(await send('/v1/messages', message(), { headers }));
    await readText(await send('/v1/messages', message(), anthropic));
    expect(upstream.requests.map((sent) => sent.headers.authorization ?? sent.headers['x-api-key'])).toEqual([
      'Bearer sk-ant-oat01-own',
      'sk-ant-upstream',
    ]);
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ billing }) => billing)).toEqual(['passthrough', 'standard']);
  });
});

describe('explain', () => {
  it('tells what each route answers, and of every target why it is in or out', async () => {
    const { gateway, key } = await start([
      { name: 'streams', match: { stream: true } },
      {
        name: 'all',
        regions: ['eu-*'],
        tiers: [{ targets: ['openai', 'anthropic'] }, { targets: [{ provider: 'second', arm: 'b' }] }],
      },
    ]);
    const explained = await gateway.explain({
      method: 'POST',
      path: '/v1/chat/completions',
      query: '',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      signal: new AbortController().signal,
      readBody: async () => new TextEncoder().encode(JSON.stringify(chat())),
    });
    expect(explained).toMatchObject({
      allowed: true,
      routes: [
        { route: 'streams', matched: false, reason: 'it is no stream' },
        { route: 'all', matched: true },
      ],
      route: 'all',
      arm: 'b',
      plan: [{ target: 'second/gpt-4.1#default', breaker: 'closed', coolDownMs: 0 }],
      targets: [
        {
          target: 'openai/gpt-4.1#default',
          tier: 1,
          reason: 'says no region, and routes[1].regions permits eu-*',
        },
        { target: 'anthropic/gpt-4.1#default', tier: 1, reason: 'speaks anthropic, and the request openai' },
        { target: 'second/gpt-4.1#default', tier: 2, place: 1, regions: ['eu-west'], arm: 'b' },
      ],
    });
  });
});
