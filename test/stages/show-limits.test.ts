import { createMemoryLedger, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { runsOutAtMs } from '../../src/limits/forecast.ts';
import type { ShownLimit } from '../../src/stages/show-limits.ts';
import { chat, readJson, readText, startGateway } from '../harness.ts';
import { type Limits, limited } from './limited-gateway.ts';

const now = Date.UTC(2030, 0, 1, 6);
const limits: Limits = [
  { unit: 'requests', amount: 8, window: '1d' },
  { unit: 'usd', amount: 5, window: '1d' },
  { unit: 'parallel', amount: 3 },
  { unit: 'requests', amount: 9, window: '1h', per: ['key', 'model'] },
  { unit: 'requests', amount: 9, window: '1h', per: 'run' },
];

async function start(ledger?: Ledger) {
  const runtime = createVirtualRuntime({ now });
  const used = ledger ?? createMemoryLedger(runtime);
  const started = await startGateway(limited(...limits), { runtime, ledger: used });
  const show = async (query = '', headers: Record<string, string | undefined> = {}) => {
    const reply = await started.send(`/headgate/limits${query}`, undefined, { headers });
    return { status: reply.status, ...(await readJson(reply)) };
  };
  return { ...started, runtime, show };
}

describe('GET /headgate/limits', () => {
  it('shows a caller its own limits as they decide: amount, use, what is left, reset and forecast', async () => {
    const { send, show } = await start();
    for (let count = 0; count < 4; count++) await send('/v1/chat/completions', chat());
    const running = await send('/v1/chat/completions', chat({ stream: true, max_tokens: 100 }));
    const { data, degraded, status } = await show();
    expect([status, degraded]).toEqual([200, false]);
    expect(data[0]).toEqual({
      label: 'profile standard: 8 requests per 1d for each key',
      unit: 'requests',
      mode: 'block',
      per: ['key'],
      amount: 8,
      used: 4,
      held: 1,
      remaining: 3,
      resetsAt: '2030-01-02T00:00:00.000Z',
      // 4 in 6 hours: 3 more in 4.5 hours
      forecast: '2030-01-01T10:30:00.000Z',
      onFailure: 'degraded',
    });
    expect(data[1]).toMatchObject({ unit: 'usd', amount: 5 });
    expect(data[1].used).toBeGreaterThan(0);
    expect(data[1].used).toBeLessThan(0.01);
    expect(data[1].forecast).toBeNull();
    expect(data[2]).toMatchObject({ unit: 'parallel', amount: 3, held: 1, resetsAt: null, forecast: null });
    expect(data).toHaveLength(3);
    await readText(running);
    expect((await show()).data[2]).toMatchObject({ held: 0 });
  });

  it('counts against none of them, and leaves no use behind', async () => {
    const { show, upstream } = await start();
    for (let count = 0; count < 20; count++) expect((await show()).status).toBe(200);
    expect((await show()).data[0]).toMatchObject({ used: 0, held: 0, remaining: 8 });
    expect(upstream.requests).toHaveLength(0);
  });

  it('shows those of a model and of a run for who asks for them', async () => {
    const { send, show } = await start();
    await send('/v1/chat/completions', chat(), { headers: { 'x-headgate-run': 'r1' } });
    const { data } = await show('?model=gpt-4.1', { 'x-headgate-run': 'r1' });
    expect(data.map(({ per, used }: { per: string[]; used: number }) => [per, used])).toEqual([
      [['key'], 1],
      [['key'], expect.any(Number)],
      [['key'], 0],
      [['key', 'model'], 1],
      [['run'], 1],
    ]);
    expect((await show('?model=nothing')).status).toBe(404);
  });

  it('leaves out a limit on models that are not asked for', async () => {
    const { send } = await startGateway(
      limited({ unit: 'requests', amount: 8, window: '1d', models: ['gpt-4.1', 'claude-*'] }),
    );
    const shown = async (query: string) =>
      (await readJson(await send(`/headgate/limits${query}`))).data.map(({ amount }: ShownLimit) => amount);
    expect(await shown('')).toEqual([]);
    expect(await shown('?model=gpt-alias')).toEqual([]);
    expect(await shown('?model=claude-sonnet')).toEqual([8]);
  });

  it('asks for a key like any other call, in any of its headers, and below any prefix', async () => {
    const { send, key } = await start();
    const status = async (path: string, headers: Record<string, string | undefined>) =>
      (await send(path, undefined, { headers: { authorization: undefined, ...headers } })).status;
    expect(await status('/headgate/limits', {})).toBe(401);
    expect(await status('/headgate/limits', { authorization: 'Bearer wrong' })).toBe(401);
    for (const headers of [
      { 'x-api-key': key },
      { 'x-goog-api-key': key },
      { authorization: `Bearer ${key}` },
    ]) {
      expect(await status('/headgate/limits', headers)).toBe(200);
      expect(await status('/ai/team/headgate/limits', headers)).toBe(200);
    }
    expect((await send('/headgate/limits', undefined, { method: 'DELETE' })).status).toBe(405);
    expect((await send('/headgate/limits/', undefined)).status).toBe(400);
    expect((await send('/headgate/limit', undefined)).status).toBe(404);
  });

  it('says while the ledger cannot be read that it is so, and what is known without it', async () => {
    const memory = createMemoryLedger(createVirtualRuntime({ now }));
    const down = new Error('redis://user:secret@host');
    const { show, send } = await start({ ...memory, peek: () => Promise.reject(down) });
    const reply = await show('?model=gpt-4.1');
    expect([reply.status, reply.degraded]).toEqual([200, true]);
    expect(JSON.stringify(reply)).not.toContain('secret');
    expect(reply.data.map(({ unit, amount }: { unit: string; amount: number }) => [unit, amount])).toEqual([
      ['requests', 8],
      ['usd', 5],
      ['parallel', 3],
      ['requests', 9],
    ]);
    expect(reply.data[1]).toMatchObject({
      used: null,
      held: null,
      remaining: null,
      resetsAt: '2030-01-02T00:00:00.000Z',
      forecast: null,
      onFailure: 'closed',
    });
    expect(reply.data[0]).toMatchObject({ used: null, onFailure: 'degraded' });
    const { headers } = await send('/headgate/limits', undefined);
    expect(headers['x-headgate-degraded']).toBe('limits');
  });
});

describe('the forecast of a limit', () => {
  const span = { bucket: 1_000, buckets: [1_000], fromMs: 1_000, untilMs: 11_000, forgetMs: 20_000 };
  const state = (used: number, held = 0) => ({ key: 'k', used, held, amount: 100 });

  it('is when the rest is used at the rate of the window so far', () => {
    expect(runsOutAtMs(state(50), span, 11_000, 3_000)).toBe(5_000);
    expect(runsOutAtMs(state(50, 25), span, 11_000, 3_000)).toBe(4_000);
    expect(runsOutAtMs(state(100), span, 11_000, 3_000)).toBe(3_000);
  });

  it('is not told when the window ends before, nothing is used, or nothing tells how long it took', () => {
    expect(runsOutAtMs(state(10), span, 11_000, 3_000)).toBeUndefined();
    expect(runsOutAtMs(state(0), span, 11_000, 3_000)).toBeUndefined();
    const ever = { bucket: 0, buckets: [0], fromMs: 0, untilMs: Infinity, forgetMs: Infinity };
    expect(runsOutAtMs(state(50), ever, undefined, 3_000)).toBeUndefined();
  });
});
