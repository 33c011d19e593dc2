import { describe, expect, it } from 'vitest';
import { chat, readText, startGateway } from '../harness.ts';

const stream = chat({ stream: true });

/** A gateway with two targets for a model, the second the same provider by another name. */
function start(provider: object = {}) {
  return startGateway((config) => ({
    ...config,
    providers: {
      openai: { ...config.providers.openai, ...provider } as never,
      spare: config.providers.openai as never,
    },
    models: { 'gpt-4.1': { targets: ['openai', 'spare'] } },
    breaker: { volumeThreshold: 2, resetTimeoutMs: 30_000 },
    retry: { minBackoffMs: 1, maxBackoffMs: 5, unpaidMs: 60_000, budget: { floor: 100 } },
  }));
}

async function explain({ gateway, key }: Awaited<ReturnType<typeof start>>) {
  const { targets, plan } = await gateway.explain({
    method: 'POST',
    path: '/v1/chat/completions',
    query: '',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    signal: new AbortController().signal,
    readBody: async () => Buffer.from(JSON.stringify(chat())),
  });
  return { first: targets?.[0], second: targets?.[1], plan };
}

describe('explain', () => {
  it('tells of targets that nobody has asked that they are ready', async () => {
    const { first, second } = await explain(await start());
    expect(first).toMatchObject({ place: 1, availability: 'ready', breaker: 'closed', inFlight: 0 });
    expect(first?.reason).toBeUndefined();
    expect(second).toMatchObject({ place: 2, availability: 'ready' });
  });

  it('tells how many requests run at a target, and that others are asked first when no more may', async () => {
    const started = await start({ maxInFlight: 1 });
    const reply = await started.send('/v1/chat/completions', stream);
    const running = await explain(started);
    expect(running.first).toMatchObject({ availability: 'full', inFlight: 1, maxInFlight: 1 });
    expect(running.first?.reason).toBe('others are asked before it: 1 requests run there, and it takes 1');
    await readText(reply);
    expect((await explain(started)).first).toMatchObject({ availability: 'ready', inFlight: 0 });
  });

  it.each([
    [
      'that its breaker is open',
      { kind: 'status', status: 500 },
      { availability: 'dead', breaker: 'open' },
      /^it is not asked: its breaker is open and nothing gets through, until a probe in \d+(\.\d)? s$/,
    ],
    [
      'that it has asked to be left alone',
      { kind: 'status', status: 429, headers: { 'retry-after': '20' } },
      { availability: 'cooling', breaker: 'closed' },
      /^others are asked before it: it has asked to be left alone, for (19\.\d|20) s more$/,
    ],
    [
      'that its credential was refused',
      { kind: 'status', status: 401 },
      { availability: 'unpaid', breaker: 'closed' },
      /^others are asked before it: its credential was refused, or has no quota left$/,
    ],
  ] as const)('tells %s, and that it is in the plan all the same', async (_, fault, state, reason) => {
    const started = await start();
    for (let count = 0; count < 4; count++) {
      // as long as the first target is asked it is the one that fails
      const { first } = await explain(started);
      if (first?.availability === 'ready') started.upstream.fail(fault as never);
      await started.send('/v1/chat/completions', chat());
    }
    const { first, second, plan } = await explain(started);
    expect(first).toMatchObject({ place: 1, ...state });
    expect(first?.reason).toMatch(reason);
    expect(second?.place).toBe(2);
    expect(plan).toHaveLength(2);
  });
});
