import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Egress } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openai } from '../../src/providers/openai.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { createProber } from '../../src/upstream/active-probe.ts';
import { chat, startGateway } from '../harness.ts';

/** A provider whose models and chats answer with a status each. */
async function startProvider() {
  const state = { models: 500, chat: 500, modelsDelayMs: 0 };
  let answering = 0;
  const seen: {
    readonly path: string;
    readonly method: string;
    readonly key: string;
    readonly atMs: number;
  }[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const { method = '', headers } = request;
    seen.push({ path, method, key: String(headers.authorization), atMs: performance.now() });
    request.resume();
    answering++;
    const isChat = path.endsWith('/chat/completions');
    const message = { role: 'assistant', content: 'hi' };
    setTimeout(
      () => {
        answering--;
        response.writeHead(isChat ? state.chat : state.models, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ id: 'x', choices: [{ index: 0, message, finish_reason: 'stop' }] }));
      },
      isChat ? 0 : state.modelsDelayMs,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const count = (end: string) => seen.filter(({ path }) => path.endsWith(end)).length;
  const isAnswering = () => answering > 0;
  return { url: `http://127.0.0.1:${port}/v1`, state, seen, count, isAnswering };
}

const resetTimeoutMs = 60;

/** A gateway whose first target has failed until its breaker opened; the second one serves. */
async function startOpened(probe: object, retry: object = {}, targets = ['primary/m', 'openai/m']) {
  const provider = await startProvider();
  const started = await startGateway((config) => ({
    ...config,
    providers: {
      ...config.providers,
      primary: {
        type: 'openai',
        apiKey: 'sk-primary',
        baseUrl: provider.url,
        probe: { path: '/models', ...probe },
      },
    },
    models: { 'gpt-4.1': { targets } },
    breaker: { volumeThreshold: 5, resetTimeoutMs },
    retry: { maxAttempts: 2, minBackoffMs: 1, ...retry },
  }));
  const ask = () => started.send('/v1/chat/completions', chat());
  const isOpen = () => started.gateway.health().targets.some(({ breaker }) => breaker !== 'closed');
  for (let index = 0; index < 20 && !isOpen(); index++) await ask();
  expect(isOpen()).toBe(true);
  return { ...provider, ...started, ask, isOpen, chatsBefore: provider.count('/completions') };
}

describe('a target whose provider is asked whether it is back', () => {
  it('gets no request of a caller while it is not: at most one probe for each time that it may be probed', async () => {
    const { ask, count, seen, isOpen, chatsBefore } = await startOpened({});
    const beganMs = performance.now();
    const probes = () => seen.filter(({ path }) => path === '/v1/models');
    while (probes().length < 4) {
      expect((await ask()).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(isOpen()).toBe(true);
    expect(count('/completions')).toBe(chatsBefore);
    const atMost = 1 + Math.ceil((performance.now() - beganMs) / (resetTimeoutMs * 0.8));
    expect(probes().length).toBeLessThanOrEqual(atMost);
    for (const [index, { atMs, method, key }] of probes().entries()) {
      expect([method, key]).toEqual(['GET', 'Bearer sk-primary']);
      if (index > 0) expect(atMs - (probes()[index - 1]?.atMs ?? 0)).toBeGreaterThan(resetTimeoutMs * 0.75);
    }
  });

  it('serves again when the probe was answered, be it with a refusal', async () => {
    const { ask, state, count, isOpen, chatsBefore, gateway } = await startOpened({});
    Object.assign(state, { models: 404, chat: 200 });
    await expect.poll(async () => [(await ask()).status, isOpen()]).toEqual([200, false]);
    await ask();
    expect(count('/completions')).toBeGreaterThan(chatsBefore);
    expect(gateway.records.at(-1)?.target).toBe('primary/m');
  });

  it('is waited for where there is no other, and the request goes to it when the probe was answered', async () => {
    const { ask, state, count, isAnswering, chatsBefore } = await startOpened({}, { maxBackoffMs: 3_000 }, [
      'primary/m',
    ]);
    // a probe that has been counted and not yet answered would be answered as it is from now on
    await expect.poll(isAnswering).toBe(false);
    Object.assign(state, { models: 200, chat: 200, modelsDelayMs: 50 });
    const probesBefore = count('/models');
    const replies = await Promise.all([ask(), ask(), ask()]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(count('/models')).toBe(probesBefore + 1);
    expect(count('/completions')).toBe(chatsBefore + 3);
  });

  it('is not back when the probe takes too long, and is asked by POST where there is a body', async () => {
    const probe = { path: '/ping', body: { model: 'm', max_tokens: 1 }, timeoutMs: 40 };
    const { ask, state, seen, isOpen } = await startOpened(probe);
    Object.assign(state, { models: 200, modelsDelayMs: 400 });
    await expect
      .poll(async () => {
        await ask();
        return seen.some(({ path, method }) => path === '/v1/ping' && method === 'POST');
      })
      .toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(isOpen()).toBe(true);
  });

  it.each([
    ['there is no connection to be had', Promise.resolve()],
    ['its secret does not come', new Promise<void>(() => undefined)],
  ])('is not back when the time of the probe is over, also while %s', async (_, ready) => {
    const runtime = createVirtualRuntime();
    const egress: Egress = { send: () => new Promise(() => undefined), close: async () => undefined };
    const found: boolean[] = [];
    const health = {
      breaker: { beginProbe: () => undefined },
      probed: (isWell: boolean) => found.push(isWell),
    };
    const provider = { basePath: '', config: { forwardHeaders: [] }, headers: {}, provider: openai };
    const source = { ready: () => ready, current: () => new Secret('openai', 'sk-x') };
    const candidate = { target: { provider }, credential: { source } };
    const probe = { path: '/models', timeoutMs: 40 };
    createProber(egress, runtime)(candidate as never, probe as never, health as never);
    await runtime.advanceAsync(39);
    expect(found).toEqual([]);
    await runtime.advanceAsync(2);
    expect(found).toEqual([false]);
  });

  it('needs a path', () => {
    const withPath = (path: string) =>
      startGateway((config) => ({
        ...config,
        providers: { ...config.providers, other: { type: 'openai', apiKey: 'x', probe: { path } } },
      }));
    return expect(withPath('models')).rejects.toThrow(/must begin with "\/"/);
  });
});
