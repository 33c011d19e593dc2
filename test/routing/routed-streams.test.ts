import type { GatewayConfig, RouteConfig } from 'headgate';
import { createFakeUpstream, type Fault } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';

type Forwarding = NonNullable<RouteConfig['forwarding']>;

const text = 'The clocks were striking thirteen, as they do in April.';

/** Two routes, one that says how it forwards and one that does not, over a target in Europe and one elsewhere. */
async function start(
  forwarding: Forwarding,
  more: Partial<GatewayConfig['routes'] extends readonly (infer R)[] | undefined ? R : never> = {},
) {
  const options = { chunkDelayMs: 2, reply: () => ({ text }) };
  const europe = await createFakeUpstream(options);
  onTestFinished(() => europe.close());
  const started = await startGateway(
    (config) => ({
      ...config,
      providers: {
        europe: { type: 'openai', apiKey: 'sk-eu', baseUrl: `${europe.url}/v1`, region: 'eu-west' },
        openai: { ...config.providers.openai, region: 'us' } as never,
      },
      models: { 'gpt-4.1': { targets: ['europe', 'openai'] } },
      routes: [
        { name: 'own', match: { metadata: { route: 'own' } }, forwarding, ...more } as never,
        { name: 'usual' },
      ],
      forwarding: { rescue: [] },
    }),
    {},
    options,
  );
  const ask = async (fault: Fault, route = 'own', times = 1) => {
    europe.fail(fault, { times });
    const headers = { 'x-headgate-metadata': `route=${route}` };
    const reply = await started.send('/v1/chat/completions', chat({ stream: true }), { headers });
    const said = await readText(reply);
    await until(() => started.gateway.records.length > 0);
    const contents = [...said.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, value]) =>
      JSON.parse(value as string),
    );
    return { status: reply.status, said, text: contents.join(''), record: started.gateway.records.at(-1) };
  };
  return { ...started, america: started.upstream, europe, ask };
}

const breaks: Fault = { kind: 'cut', how: 'reset', afterChunks: 3 };

describe('the streams of a route', () => {
  it('are gone on with as the route says, and those of others as the configuration says', async () => {
    const { ask, america } = await start({ rescue: ['restart'] });
    expect(await ask(breaks)).toMatchObject({ text, record: { route: 'own', rescue: ['restart'] } });
    const usual = await ask(breaks, 'usual');
    expect(usual.said).toContain('"error":{');
    expect(usual.record).toMatchObject({ route: 'usual', outcome: 'failed' });
    expect(america.requests).toHaveLength(1);
  });

  it('are not gone on with where the request may not be handled', async () => {
    const { ask, america } = await start({ rescue: ['restart', 'continue'] }, { regions: ['eu-*'] });
    const { said, record } = await ask(breaks, 'own', 10);
    expect(said).toContain('"error":{');
    expect(said).not.toContain('[DONE]');
    expect(record?.outcome).toBe('failed');
    expect(america.requests).toHaveLength(0);
  });

  it('wait for the first token as long as the route says, or the target, whose word is the last', async () => {
    const stalls: Fault = { kind: 'cut', how: 'stall', afterChunks: 0 } as Fault;
    const route = await start({ timeouts: { firstTokenMs: 100 } });
    expect(await route.ask(stalls)).toMatchObject({ text, record: { target: 'openai/gpt-4.1' } });
    const target = await start({ timeouts: { firstTokenMs: 60_000 } }, {
      targets: [
        { provider: 'europe', weight: 1, timeouts: { firstTokenMs: 100 } },
        { provider: 'openai', weight: 0 },
      ],
    } as never);
    const found = await target.ask(stalls);
    expect(found).toMatchObject({ text, record: { target: 'openai/gpt-4.1' } });
    expect(found.record?.attempts[0]?.failure).toBe('no first token');
  });

  it('are whole before anything of them goes out, where the route says so', async () => {
    const { ask } = await start({ commit: 'complete' });
    const { text: said, record } = await ask(breaks);
    expect(said).toBe(text);
    expect(record).toMatchObject({ outcome: 'complete', target: 'openai/gpt-4.1' });
    expect(record?.rescue).toBeUndefined();
  });

  it('leave out what is none of the protocol, where the route says so, and tell of it; else they end with an error', async () => {
    const { ask } = await start({ onMalformedChunk: 'skip' });
    const nonsense: Fault = { kind: 'malformed-chunk', afterChunks: 3 };
    const skipped = await ask(nonsense);
    expect(skipped).toMatchObject({ text, record: { outcome: 'complete' } });
    expect(skipped.record?.warnings?.join()).toMatch(/^1 events/);
    const usual = await ask(nonsense, 'usual');
    expect(usual.said).toContain('"error":{');
    expect(usual.record?.errorCode).toBe('upstream_invalid_response');
  });
});
