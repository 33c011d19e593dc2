import { createMemoryLedger, type GatewayOptions, type Run } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createRuns } from '../../src/limits/run.ts';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { limited } from '../stages/limited-gateway.ts';

const now = Date.UTC(2030, 0, 1, 12);

// each gateway has randomness and ids of its own
let seed = 1;

async function start(options: GatewayOptions = {}, limits: Parameters<typeof limited> = []) {
  const runtime = createVirtualRuntime({ now, seed: seed++ });
  const name = `gateway-${seed}`;
  const named = { ...runtime, newId: () => `${name}-${runtime.newId()}` };
  const started = await startGateway(limited(...limits), { runtime: named, ...options });
  const ask = async (headers: object = {}, body = chat({ max_tokens: 20 })) => {
    const reply = await started.send('/v1/chat/completions', body, { headers: { ...headers } });
    await readText(reply);
    return reply.status;
  };
  return { ...started, runtime, ask };
}

describe('an agent run', () => {
  it('stops alone when its budget is spent, and its records name it', async () => {
    const { gateway, ask } = await start();
    const run = gateway.run({ maxRequests: 2 });
    expect([await ask(run.headers), await ask(run.headers), await ask(run.headers)]).toEqual([200, 200, 402]);
    const other = gateway.run({ maxRequests: 2 });
    expect([await ask(other.headers), await ask()]).toEqual([200, 200]);
    await until(() => gateway.records.length === 5);
    expect(gateway.records.map((record) => record.run)).toEqual([
      run.id,
      run.id,
      run.id,
      other.id,
      undefined,
    ]);
  });

  it('is limited in money, tokens and requests at once, and says which of them is spent', async () => {
    const { gateway, send } = await start();
    const refusal = async (run: Run) => {
      const reply = await send('/v1/chat/completions', chat({ max_tokens: 500 }), {
        headers: { ...run.headers },
      });
      return [reply.status, (await readJson(reply)).error.message];
    };
    expect(await refusal(gateway.run({ maxUsd: 0.001 }))).toEqual([
      400,
      expect.stringMatching(/could need \$0\.004.*run: 0\.001000000 usd .* allows \$0\.001000 in all/),
    ]);
    expect(await refusal(gateway.run({ maxTokens: 100 }))).toEqual([
      400,
      expect.stringMatching(/run: 100 tokens .* for each run/),
    ]);
  });

  it('runs no more requests at once than it may', async () => {
    const { gateway, send } = await start();
    const { headers } = gateway.run({ maxParallel: 1 });
    const running = await send('/v1/chat/completions', chat({ stream: true }), { headers });
    expect((await send('/v1/chat/completions', chat(), { headers })).status).toBe(429);
    await readText(running);
    expect((await send('/v1/chat/completions', chat(), { headers })).status).toBe(200);
  });

  it('counts against the limits of its caller too', async () => {
    const { gateway, ask } = await start({}, [{ unit: 'requests', amount: 1, window: '1d' }]);
    const { headers } = gateway.run({ maxRequests: 5 });
    expect([await ask(headers), await ask(headers)]).toEqual([200, 402]);
  });

  it('ends at once when its host closes it, and what is running goes on', async () => {
    const { gateway, ask, send } = await start();
    const run = gateway.run({ maxRequests: 50, maxUsd: 1 });
    const other = gateway.run({ maxRequests: 50 });
    const running = await send('/v1/chat/completions', chat({ stream: true }), {
      headers: { ...run.headers },
    });
    expect(await ask(run.headers)).toBe(200);
    await run.close();
    await run.close();
    expect([await ask(run.headers), await ask(other.headers), await ask()]).toEqual([402, 200, 200]);
    expect(await readText(running)).toContain('[DONE]');
    const refused = await send('/v1/chat/completions', chat(), { headers: { ...run.headers } });
    expect(refused.headers['x-should-retry']).toBe('false');
    expect((await readJson(refused)).error.message).toBe('This run has ended.');
    await until(() => gateway.records.length === 6);
    expect(gateway.records.at(-1)).toMatchObject({ run: run.id, errorCode: 'budget_exceeded' });
    // it is part of the run, whatever its headers say
    const inside = await run.fetch(
      new Request('http://x/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      }),
    );
    expect(inside.status).not.toBe(200);
  });

  it.each([{ maxRequests: 50 }, { maxParallel: 3 }, { maxTokens: 1e6, maxUsd: 2 }])(
    'that is closed on one gateway is refused by every other on the ledger, with a budget of %o',
    async (budget) => {
      const runtime = createVirtualRuntime({ now });
      const ledger = createMemoryLedger(runtime);
      const runSecret = 'the same on every node';
      const [one, two, three] = await Promise.all([
        start({ ledger, runSecret, limits: { nodes: 3 } }),
        start({ ledger, runSecret, limits: { nodes: 3 } }),
        start({ ledger, runSecret, limits: { nodes: 3 } }),
      ]);
      const run = one.gateway.run(budget);
      expect([await two.ask(run.headers), await three.ask(run.headers)]).toEqual([200, 200]);
      await two.gateway.endRun(run.headers['x-headgate-run']);
      const statuses = [await one.ask(run.headers), await two.ask(run.headers), await three.ask(run.headers)];
      expect(statuses[1]).toBe(402);
      for (const status of statuses) expect([402, 429]).toContain(status);
      for (const token of ['hgrun_none', `hgrun_none.${'é'.repeat(22)}`, '']) {
        await expect(two.gateway.endRun(token)).rejects.toMatchObject({ code: 'malformed_request' });
      }
    },
  );

  it('is ended here also where the ledger cannot be told', async () => {
    const runtime = createVirtualRuntime({ now });
    const memory = createMemoryLedger(runtime);
    let isDown = false;
    const ledger = {
      ...memory,
      reserve: (...call: Parameters<typeof memory.reserve>) => {
        if (isDown) throw new Error('down');
        return memory.reserve(...call);
      },
    };
    const { gateway, ask } = await start({ ledger, limits: { nodes: 1 } });
    const run = gateway.run({ maxRequests: 5 });
    isDown = true;
    await expect(run.close()).rejects.toThrow('down');
    isDown = false;
    expect(await ask(run.headers)).toBe(402);
  });

  it('ends with its time', async () => {
    const { gateway, ask, runtime } = await start();
    const { headers } = gateway.run({ maxRequests: 5, ttlMs: 60_000 });
    expect(await ask(headers)).toBe(200);
    runtime.advance(60_001);
    expect([await ask(headers), await ask()]).toEqual([402, 200]);
  });

  it('ends with its time also where it has nothing but slots, for every gateway that knows its token', async () => {
    const runSecret = 'the same on every node, 16 bytes';
    const [one, other] = [await start({ runSecret }), await start({ runSecret })];
    const { headers } = one.gateway.run({ maxParallel: 2, ttlMs: 60_000 });
    expect([await one.ask(headers), await other.ask(headers)]).toEqual([200, 200]);
    for (const { runtime, ask, send } of [one, other]) {
      runtime.advance(60_001);
      expect([await ask(headers), await ask()]).toEqual([402, 200]);
      const refused = await readJson(await send('/v1/chat/completions', chat(), { headers: { ...headers } }));
      expect(refused.error.message).toBe('This run has ended.');
    }
  });

  it('cannot be left by a request that goes through its own handle or fetch', async () => {
    const { gateway, key, upstream } = await start();
    const run = gateway.run({ maxRequests: 3 });
    const rich = gateway.run({ maxRequests: 1_000 });
    const fetchInside = async (headers: Record<string, string>) => {
      const reply = await run.fetch(
        new Request('http://gateway.test/v1/chat/completions', {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
          body: JSON.stringify(chat()),
        }),
      );
      await reply.text();
      return reply.status;
    };
    expect(await fetchInside({})).toBe(200);
    expect(await fetchInside({ ...rich.headers })).toBe(200);
    expect(await fetchInside({ 'x-headgate-run': 'another' })).toBe(200);
    expect(await fetchInside({ ...rich.headers })).toBe(402);
    expect(upstream.requests).toHaveLength(3);
  });

  it('is what the host application says, whatever the header says or leaves out', async () => {
    let said: Run | string | undefined;
    const { gateway, ask } = await start({ runOf: () => said }, [
      { unit: 'requests', amount: 1, window: '1d', per: 'run' },
    ]);
    const rich = gateway.run({ maxRequests: 1_000 });
    said = gateway.run({ maxRequests: 2 });
    // the profile's limit for each run counts by its id, whoever named it
    expect([await ask(), await ask(rich.headers)]).toEqual([200, 402]);
    said = 'nightly';
    expect([await ask(), await ask({ 'x-headgate-run': 'other' })]).toEqual([200, 402]);
    said = undefined;
    expect([await ask({ 'x-headgate-run': 'nightly' }), await ask({ 'x-headgate-run': 'other' })]).toEqual([
      402, 200,
    ]);
  });

  it('is known to every gateway with the same secret, and counted once on a shared ledger', async () => {
    const ledger = createMemoryLedger(createVirtualRuntime({ now }));
    const runSecret = 'one secret for all nodes';
    const one = await start({ ledger, runSecret });
    const two = await start({ ledger, runSecret });
    const { headers } = one.gateway.run({ maxRequests: 3 });
    expect([await one.ask(headers), await two.ask(headers), await two.ask(headers)]).toEqual([200, 200, 200]);
    expect([await one.ask(headers), await two.ask(headers)]).toEqual([402, 402]);
  });

  it('is refused where it was not opened, and when its budget was changed on the way', async () => {
    const { gateway, ask } = await start();
    const stranger = await start();
    const { headers } = gateway.run({ maxRequests: 3 });
    const token = headers['x-headgate-run'];
    expect(await stranger.ask(headers)).toBe(400);
    const [id, claims = '', seal] = token.split('.');
    for (const forged of [
      `${id}.${claims.replace(/-3-/, '-z-')}.${seal}`,
      `${id}.${claims}`,
      `${id}.${claims}.`,
      `${id}`,
      'hgrun_',
      `${token}x`,
    ]) {
      expect([forged, await ask({ 'x-headgate-run': forged })]).toEqual([forged, 400]);
    }
    expect(await ask(headers)).toBe(200);
  });

  it('shows its limits to who asks for them', async () => {
    const { gateway, send, ask } = await start();
    const { headers } = gateway.run({ maxUsd: 2.5, maxRequests: 10 });
    await ask(headers);
    const { data } = await readJson(await send('/headgate/limits', undefined, { headers: { ...headers } }));
    expect(data).toMatchObject([
      { unit: 'usd', amount: 2.5, per: ['run'] },
      { unit: 'requests', amount: 10, used: 1, remaining: 9 },
    ]);
  });

  it('is not opened without an amount, or with one out of its range', async () => {
    const { gateway } = await start();
    for (const [options, name] of [
      [{}, 'maxUsd'],
      [{ maxUsd: 0 }, 'maxUsd'],
      [{ maxUsd: Number.NaN }, 'maxUsd'],
      [{ maxRequests: 1.5 }, 'maxRequests'],
      [{ maxTokens: -1 }, 'maxTokens'],
      [{ maxParallel: 0 }, 'maxParallel'],
      [{ maxRequests: 1, ttlMs: 1 }, 'ttlMs'],
    ] as const) {
      expect(() => gateway.run(options)).toThrow(new RegExp(`"?${name}`));
    }
    expect(() => createRuns({ runtime: createVirtualRuntime(), secret: 'short' })).toThrow('"runSecret"');
  });

  it('has a token that any header can hold, and that says what it was opened with', () => {
    const runtime = createVirtualRuntime({ now });
    const runs = createRuns({ runtime });
    for (let count = 0; count < 50; count++) {
      const { token, scope } = runs.open({
        maxUsd: 9_000_000,
        maxRequests: Number.MAX_SAFE_INTEGER,
        maxTokens: Number.MAX_SAFE_INTEGER,
        maxParallel: Number.MAX_SAFE_INTEGER,
      });
      expect(token.length).toBeLessThanOrEqual(128);
      const read = runs.read({ 'x-headgate-run': token });
      expect(read?.id).toBe(scope.id);
      expect(read?.limits?.map(({ amount }) => amount)).toEqual(scope.limits?.map(({ amount }) => amount));
    }
  });
});
