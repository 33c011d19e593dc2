import { createNoPepperRing, type GatewayConfig, openGateway } from 'headgate';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRunningEnder } from '../../src/keys/end-running.ts';
import { createMemoryStores } from '../../src/stores/memory/memory-stores.ts';
import { RunningByKey } from '../../src/upstream/running-by-key.ts';
import { administer, backends, sendTo } from '../backends.ts';
import { chat, makeKey, readJson, readText, startGateway, until } from '../harness.ts';
import { createFixture } from './key-fixture.ts';

const ending = (config: GatewayConfig): GatewayConfig => ({ ...config, relay: { onRevoke: 'end' } });
const stalled = { kind: 'cut', how: 'stall', afterChunks: 3 } as never;

const dialects = [
  ['openai', '/v1/chat/completions', chat({ stream: true }), /data: \{"error":\{.*"revoked_key"\}\}\n\n$/],
  [
    'openai responses',
    '/v1/responses',
    { model: 'gpt-4.1', input: 'hello', stream: true },
    /event: error\ndata: .*"revoked_key".*\n\n$/,
  ],
  [
    'anthropic',
    '/v1/messages',
    { ...chat({ model: 'claude-sonnet', stream: true }), max_tokens: 100 },
    /event: error\ndata: \{"type":"error","error":\{"type":"authentication_error",.*\}\n\n$/,
  ],
  [
    'gemini',
    '/v1beta/models/gemini-flash:streamGenerateContent?alt=sse',
    { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] },
    /data: \{"error":\{"code":401,.*"UNAUTHENTICATED".*\}\}\n\n$/s,
  ],
] as const;

describe('running requests of a key that was revoked', () => {
  it.each(dialects)(
    'end with an error in the dialect, settled and on record: %s',
    async (_, path, body, last) => {
      const { gateway, send, upstream, record, config } = await startGateway(ending, {}, { chunkDelayMs: 5 });
      upstream.fail(stalled);
      const reply = await send(path, body, { headers: { 'anthropic-version': '2023-06-01' } });
      expect(reply.status).toBe(200);
      const text = readText(reply);
      await until(() => upstream.requests.length === 1);
      gateway.update({ ...config, keys: [{ ...record, revokedAtMs: 1 }] });
      expect(await text).toMatch(last);
      expect(await reply.outcome).toMatchObject({ kind: 'failed', errorCode: 'revoked_key' });
      await until(() => gateway.records.length === 1);
      expect(gateway.records[0]).toMatchObject({
        outcome: 'failed',
        errorCode: 'revoked_key',
        key: record.kid,
      });
      expect(gateway.records[0]?.usage?.outputTokens).toBeGreaterThan(0);
      await until(() => upstream.requests.every(({ aborted }) => aborted));
    },
  );

  it('end also when nothing has come yet, or a stream is not read; those of other keys go on', async () => {
    const other = makeKey('payments');
    const { gateway, send, upstream, record, config } = await startGateway(
      (given) => ending({ ...given, keys: [...(given.keys ?? []), other.record] }),
      {},
      { chunkDelayMs: 20 },
    );
    upstream.fail({ kind: 'stall' });
    const waiting = send('/v1/chat/completions', chat());
    await upstream.waitFor(() => true, 60_000);
    upstream.fail(stalled);
    const ignored = await send('/v1/chat/completions', chat({ stream: true }));
    const going = readText(await send('/v1/chat/completions', chat({ stream: true }), { key: other.key }));
    gateway.update({ ...config, keys: [{ ...record, revokedAtMs: 1 }, other.record] });
    const refused = await waiting;
    expect([refused.status, (await readJson(refused)).error.code]).toEqual([401, 'revoked_key']);
    expect(await ignored.outcome).toMatchObject({ kind: 'failed', errorCode: 'revoked_key' });
    expect(await going).toMatch(/\[DONE\]\n\n$/);
  });

  it('go on to their end unless the configuration says otherwise', async () => {
    const { gateway, send, record, config } = await startGateway(undefined, {}, { chunkDelayMs: 10 });
    const text = readText(await send('/v1/chat/completions', chat({ stream: true })));
    gateway.update({ ...config, keys: [{ ...record, revokedAtMs: 1 }] });
    expect(await text).toMatch(/\[DONE\]\n\n$/);
    expect((await send('/v1/chat/completions', chat())).status).toBe(401);
  });

  it('end when the key was taken away, and go on when it was only changed', async () => {
    const { gateway, send, upstream, record, config } = await startGateway(ending, {}, { chunkDelayMs: 5 });
    upstream.fail(stalled);
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const text = readText(reply);
    gateway.update({ ...config, keys: [{ ...record, name: 'another', models: ['other'] }] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(gateway.records).toEqual([]);
    gateway.update({ ...config, keys: [] });
    expect(await text).toMatch(/"invalid_api_key"\}\}\n\n$/);
  });

  it('end at the instant that the key expires', async () => {
    // so late that the stream has begun by then, also on a busy machine
    const expiresAtMs = Date.now() + 5_000;
    const { send, upstream, gateway } = await startGateway(
      (config) => ending({ ...config, keys: (config.keys ?? []).map((key) => ({ ...key, expiresAtMs })) }),
      {},
      { chunkDelayMs: 5 },
    );
    upstream.fail(stalled);
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    expect(await readText(reply)).toMatch(/"expired_key"\}\}\n\n$/);
    expect(Date.now() - expiresAtMs).toBeGreaterThanOrEqual(-2);
    expect(Date.now() - expiresAtMs).toBeLessThan(40_000);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]?.errorCode).toBe('expired_key');
  });

  it('of which the gateway holds none cost nothing: the store is not asked', async () => {
    const stores = createMemoryStores();
    let reads = 0;
    const findKey = stores.keys.findKey;
    const counted = { ...stores.keys, findKey: (kid: string) => findKey(kid).finally(() => reads++) };
    const { key, record } = makeKey('payments');
    await stores.keys.putKey({ ...record, version: 1 }, 0);
    const { send } = await startGateway(ending, { keys: counted });
    expect((await send('/v1/chat/completions', chat(), { key })).status).toBe(200);
    expect(reads).toBe(1);
    for (let version = 2; version < 5; version++)
      await stores.keys.putKey({ ...record, version }, version - 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(reads).toBe(1);
  });
});

describe.each(Object.entries(backends))(
  'running requests of a key that another node revoked: %s',
  (_, createPlace) => {
    it('end as soon as that is told', async () => {
      const place = await createPlace();
      const [stores, other] = [place.open(), place.open()];
      await stores.migrate();
      const operator = administer(other);
      const upstream = await createFakeUpstream({ chunkDelayMs: 5 });
      onTestFinished(() => upstream.close());
      upstream.fail(stalled, { times: 2 });
      await operator.apply({
        providers: { openai: { type: 'openai', apiKey: { env: 'PATH' }, baseUrl: `${upstream.url}/v1` } },
        models: { 'gpt-4.1': { targets: ['openai'] } },
        profiles: { standard: {} },
        teams: { web: { profile: 'standard' } },
        relay: { onRevoke: 'end' },
      });
      const gateway = await openGateway({ stores, peppers: createNoPepperRing() });
      onTestFinished(() => gateway.close({ drainMs: 1 }));
      const keys = [
        await operator.keys.create({ team: 'web' }, 'ops'),
        await operator.keys.create({ team: 'web' }, 'ops'),
      ];
      const replies = await Promise.all(
        keys.map(({ key }) =>
          sendTo(gateway, '/v1/chat/completions', chat({ stream: true }), { authorization: `Bearer ${key}` }),
        ),
      );
      const [text] = replies.map(readText);
      await operator.keys.revoke(keys[0]?.record.kid as string);
      const revokedAtMs = performance.now();
      expect(await text).toMatch(/"revoked_key"\}\}\n\n$/);
      // not when the key would be looked up again by itself
      expect(performance.now() - revokedAtMs).toBeLessThan(40_000);
      await until(() => gateway.records.length === 1);
      expect(gateway.records[0]).toMatchObject({ key: keys[0]?.record.kid, errorCode: 'revoked_key' });
    });
  },
);

/** A running request of a key, where nothing is told of changes. */
async function startUntold(more: { readonly expiresAtMs?: number } = {}) {
  const fixture = createFixture();
  const { runtime, resolver, addKey, answer } = fixture;
  const { key, record } = addKey(more);
  expect(await answer(key)).toBe('accepted');
  const running = new RunningByKey();
  const ender = createRunningEnder(running, resolver, runtime);
  const codes: string[] = [];
  const request = {
    interrupt({ code }: { readonly code: string }) {
      codes.push(code);
      running.remove(record.kid, request);
    },
  };
  running.add(record.kid, request);
  return { ...fixture, record, running, ender, codes, request };
}

describe('running requests, where the store tells of nothing', () => {
  it('end within the 5 s for which a record is believed', async () => {
    const { memory, record, runtime, codes } = await startUntold();
    await runtime.advanceAsync(7_000);
    memory.put({ ...record, revokedAtMs: 1 });
    await runtime.advanceAsync(5_000);
    expect(codes).toEqual(['revoked_key']);
  });

  it('go on while the store fails, and end when it tells again', async () => {
    const { memory, record, runtime, codes, faults, ender } = await startUntold();
    faults.error = new Error('down');
    memory.put({ ...record, revokedAtMs: 1 });
    ender.changed();
    await runtime.advanceAsync(20_000);
    expect(codes).toEqual([]);
    faults.error = undefined;
    await runtime.advanceAsync(6_000);
    expect(codes).toEqual(['revoked_key']);
  });

  it('go on past an expiry that was put off, to the new one', async () => {
    const startMs = createFixture().runtime.now();
    const { memory, record, runtime, codes } = await startUntold({ expiresAtMs: startMs + 10_000 });
    memory.put({ ...record, expiresAtMs: startMs + 12_345 });
    await runtime.advanceAsync(12_344);
    expect(codes).toEqual([]);
    await runtime.advanceAsync(1);
    expect(codes).toEqual(['expired_key']);
  });

  it('leave nothing behind: no timers once they are over or the gateway closes, no reads of keys with nothing running', async () => {
    const { record, runtime, running, request, ender, reads } = await startUntold({
      expiresAtMs: Date.UTC(2030, 1, 1),
    });
    running.remove(record.kid, request);
    await runtime.advanceAsync(5_000);
    expect([running.kids, runtime.pending, reads.length]).toEqual([[], 0, 1]);
    running.add(record.kid, request);
    ender.close();
    // the read that had begun
    await runtime.advanceAsync(0);
    expect(runtime.pending).toBe(0);
  });

  it('end also where nothing ran for a while before', async () => {
    const { memory, record, runtime, running, codes, request } = await startUntold();
    running.remove(record.kid, request);
    await runtime.advanceAsync(20_000);
    running.add(record.kid, request);
    await runtime.advanceAsync(0);
    memory.put({ ...record, revokedAtMs: 1 });
    await runtime.advanceAsync(10_000);
    expect(codes).toEqual(['revoked_key']);
  });

  it('are ended at once when their key was revoked while they waited for their turn', async () => {
    const { memory, record, runtime, running, resolver, codes, request } = await startUntold();
    running.remove(record.kid, request);
    memory.put({ ...record, revokedAtMs: 1 });
    resolver.forget(record.kid);
    running.add(record.kid, request);
    await runtime.advanceAsync(0);
    expect(codes).toEqual(['revoked_key']);
  });
});
