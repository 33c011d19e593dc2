import type { GatewayConfig } from 'headgate';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';

type Mirror = NonNullable<NonNullable<GatewayConfig['routes']>[number]['mirror']>;

/** A gateway whose requests are copied to a second upstream. */
async function start(mirror: Partial<Mirror> = {}, more: Partial<GatewayConfig> = {}) {
  const shadow = await createFakeUpstream();
  onTestFinished(() => shadow.close());
  const started = await startGateway((config) => ({
    ...config,
    providers: {
      ...config.providers,
      shadow: { type: 'openai', apiKey: 'sk-shadow', baseUrl: `${shadow.url}/v1` },
    },
    ...more,
    routes: [{ name: 'copied', mirror: { target: 'shadow/gpt-new', ...mirror } }],
  }));
  const ask = async (body: object = chat(), headers = {}) => {
    const reply = await started.send('/v1/chat/completions', body, { headers });
    const text = await readText(reply);
    await reply.outcome;
    return { status: reply.status, text };
  };
  const copies = () => started.gateway.records.filter(({ mirrorOf }) => mirrorOf !== undefined);
  const originals = () => started.gateway.records.filter(({ mirrorOf }) => mirrorOf === undefined);
  return { ...started, shadow, ask, copies, originals };
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 50));

describe('a copy of a request', () => {
  it('goes to the mirror when the reply is whole, and leaves a record of its own', async () => {
    const { ask, shadow, upstream, copies, originals } = await start();
    const { status, text } = await ask(chat({ stream: true }), { 'idempotency-key': 'once' });
    expect([status, text.includes('[DONE]')]).toEqual([200, true]);
    await until(() => copies().length === 1);
    expect(shadow.requests.map(({ json }) => json)).toMatchObject([{ model: 'gpt-new', stream: true }]);
    expect(shadow.requests[0]?.headers.authorization).toBe('Bearer sk-shadow');
    expect(shadow.requests[0]?.headers['idempotency-key']).toBeUndefined();
    expect(upstream.requests).toHaveLength(1);
    const [original] = originals();
    expect(copies()[0]).toMatchObject({
      mirrorOf: original?.id,
      route: 'copied',
      team: 'payments',
      user: 'ada',
      model: 'gpt-4.1',
      target: 'shadow/gpt-new',
      billing: 'standard',
      outcome: 'complete',
    });
    expect(copies()[0]?.id).not.toBe(original?.id);
    expect(copies()[0]?.usage?.outputTokens).toBeGreaterThan(0);
  });

  it('changes nothing for the caller when the mirror fails, stalls or is not there', async () => {
    const { ask, shadow, gateway, copies } = await start(
      { timeoutMs: 60_000 },
      { retry: { maxAttempts: 1 } },
    );
    for (const fault of [
      { kind: 'status', status: 500 },
      { kind: 'status', status: 401 },
    ] as const) {
      shadow.fail(fault);
      expect((await ask()).status).toBe(200);
    }
    await until(() => copies().length === 2);
    expect(copies().map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
    await shadow.close();
    expect((await ask()).status).toBe(200);
    await until(() => copies().length === 3);
    expect(gateway.health().mirrors).toEqual({ copied: { sent: 3, failed: 3, full: 0, refused: 0 } });
    // and the target itself is not held to be ill by what its copies met
    expect(gateway.records.filter(({ outcome }) => outcome === 'complete')).toHaveLength(3);
  });

  it('is not made of what failed or was refused, nor of what is only counted or read', async () => {
    const { ask, send, upstream, shadow } = await start({}, { retry: { maxAttempts: 1 } });
    upstream.fail({ kind: 'status', status: 500 });
    expect((await ask()).status).toBeGreaterThanOrEqual(500);
    upstream.fail({ kind: 'status', status: 400 });
    await ask();
    await readText(await send('/v1/responses/resp_1'));
    await settle();
    expect(shadow.requests).toHaveLength(0);
  });

  it('is made of the share that the route says, exactly', async () => {
    const { ask, shadow } = await start({ share: 0.2, maxConcurrent: 100 });
    for (let index = 0; index < 20; index++) await ask();
    await until(() => shadow.requests.length === 4);
    await settle();
    expect(shadow.requests).toHaveLength(4);
  });

  it('counts against the budget of the mirror alone, and is not made beyond it', async () => {
    const limits = [{ unit: 'requests' as const, amount: 2, window: 'lifetime' as const }];
    const { ask, shadow, copies, originals } = await start(
      { limits, maxConcurrent: 100 },
      { profiles: { standard: { limits: [{ unit: 'requests', amount: 5, window: 'lifetime' }] } } },
    );
    for (let index = 0; index < 5; index++) expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(402);
    await until(() => copies().length === 2);
    await settle();
    expect(shadow.requests).toHaveLength(2);
    expect([copies().length, originals().length]).toEqual([2, 6]);
  });

  it('is part of the run of its request, and uses up nothing of its budget', async () => {
    const limits = [
      { unit: 'requests' as const, amount: 2, window: 'lifetime' as const, per: 'run' as const },
    ];
    const target = { provider: 'shadow', model: 'gpt-new', price: { input: 1_000_000, output: 1_000_000 } };
    const { ask, gateway, copies } = await start({ limits, target, maxConcurrent: 100 });
    // a copy costs more than that
    const runs = [gateway.run({ maxRequests: 3, maxUsd: 1 }), gateway.run({ maxRequests: 3 })];
    for (const [index, { id, headers }] of runs.entries()) {
      for (const made of [1, 2, 2]) {
        expect((await ask(chat(), headers)).status).toBe(200);
        await until(() => copies().filter(({ run }) => run === id).length === made);
      }
      expect((await ask(chat(), headers)).status).toBe(402);
      await until(() => gateway.health().mirrors.copied?.refused === index + 1);
    }
  });

  it('is counted in money at the price of the mirror', async () => {
    const target = { provider: 'shadow', model: 'gpt-new', price: { input: 1_000_000, output: 1_000_000 } };
    // a dollar for each token: one request is far more than there is
    const limits = [{ unit: 'usd' as const, amount: 1, window: 'lifetime' as const }];
    const { ask, shadow } = await start({ target, limits });
    expect((await ask()).status).toBe(200);
    await settle();
    expect(shadow.requests).toHaveLength(0);
  });

  it('has a record that tells its cost at the price of the mirror, the original one at that of its model', async () => {
    const target = { provider: 'shadow', model: 'gpt-new', price: { input: 20, output: 80 } };
    const { ask, copies, originals } = await start({ target });
    await ask();
    await until(() => copies().length === 1);
    const costAt = (input: number, output: number) => {
      const { inputTokens = 0, outputTokens = 0 } = copies()[0]?.usage ?? {};
      return (inputTokens * input + outputTokens * output) * 1_000;
    };
    expect([originals()[0]?.costNanoUsd, copies()[0]?.costNanoUsd]).toEqual([costAt(2, 8), costAt(20, 80)]);
  });

  it('is ended when its time is over, also where streams are read on for their usage', async () => {
    const relay = { onDisconnect: 'drain', drain: { maxMs: 600_000 } } as const;
    const { ask, shadow, copies, gateway } = await start({ timeoutMs: 2_000 }, { relay });
    shadow.fail({ kind: 'cut', how: 'stall', afterChunks: 3 } as never);
    await ask(chat({ stream: true }));
    await until(() => copies().length === 1);
    expect(copies()[0]).toMatchObject({ outcome: 'aborted' });
    await until(() => shadow.requests[0]?.aborted === true);
    await gateway.close();
  });

  it('is not made while as many run as may', async () => {
    const { ask, shadow, gateway } = await start({ maxConcurrent: 2 });
    shadow.fail({ kind: 'stall' }, { times: 10 });
    for (let index = 0; index < 5; index++) expect((await ask()).status).toBe(200);
    await until(() => shadow.requests.length === 2);
    await settle();
    expect(shadow.requests).toHaveLength(2);
    // closing waits for none of them
    const began = performance.now();
    await gateway.close({ drainMs: 600_000 });
    expect(performance.now() - began).toBeLessThan(100_000);
    expect(
      gateway.records.filter(({ mirrorOf }) => mirrorOf !== undefined).map(({ outcome }) => outcome),
    ).toEqual(['aborted', 'aborted']);
  });

  it('never goes to where the request may not be handled', async () => {
    const { ask, shadow } = await start(
      {},
      {
        profiles: { standard: { regions: ['eu-*'] } },
        models: { 'gpt-4.1': { targets: [{ provider: 'openai', region: 'eu-west' }] } },
      },
    );
    expect((await ask()).status).toBe(200);
    await settle();
    expect(shadow.requests).toHaveLength(0);
  });
});
