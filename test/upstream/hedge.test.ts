import { createMemoryLedger, type Egress, type EgressReply, type GatewayConfig, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hedge } from '../../src/upstream/hedge.ts';
import { chat, readText, runtime, startGateway, until } from '../harness.ts';
import { createHeldEgress, createScriptedEgress } from './scripted-egress.ts';
import { startPair } from './start-pair.ts';

const stream = chat({ stream: true });
const finished =
  'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

function toJsonReply(): EgressReply {
  const bytes = Buffer.from('{"id":"c","object":"chat.completion","choices":[]}');
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: {
      collect: () => ({ bytes, ended: true }),
      cancel: () => undefined,
      async *[Symbol.asyncIterator]() {
        yield bytes;
      },
    },
  };
}

describe('a hedged request', () => {
  it('is answered by the second when the first shows no content; the first is ended and on record', async () => {
    const { gateway, upstream, backup, send } = await startPair({ forwarding: { hedgeAfterMs: 30 } });
    upstream.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', stream);
    expect(await readText(reply)).toMatch(/\[DONE\]\n\n$/);
    await until(() => upstream.requests[0]?.aborted === true);
    await until(() => gateway.records.length === 1);
    expect(backup.requests).toHaveLength(1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'complete', target: 'backup/second' });
    const found = gateway.records[0]?.attempts.map(({ target, failure }) => [target, failure]);
    expect(new Set(found?.map((one) => JSON.stringify(one)))).toEqual(
      new Set([
        JSON.stringify(['openai/gpt-4.1#default', 'superseded']),
        JSON.stringify(['backup/second#default', undefined]),
      ]),
    );
    // being slower than another one is no illness
    expect(
      gateway.health().targets.every(({ inFlight, breaker }) => inFlight === 0 && breaker === 'closed'),
    ).toBe(true);
  });

  it('costs what both have cost: the input of the slower one is estimated, and told by its attempt', async () => {
    const other = await startPair();
    await readText(await other.send('/v1/chat/completions', stream));
    const { gateway, upstream, send } = await startPair({ forwarding: { hedgeAfterMs: 30 } });
    upstream.fail({ kind: 'stall' });
    await readText(await send('/v1/chat/completions', stream));
    await until(() => gateway.records.length === 1 && other.gateway.records.length === 1);
    const [alone] = other.gateway.records;
    const [hedged] = gateway.records;
    const usageOf = (isSlower: boolean) =>
      hedged?.attempts.find(({ failure }) => (failure === 'superseded') === isSlower)?.usage;
    const slower = usageOf(true);
    expect(slower).toEqual({ inputTokens: expect.any(Number), outputTokens: 0, source: 'estimated' });
    expect(slower?.inputTokens).toBeGreaterThan(0);
    expect(usageOf(false)).toBeUndefined();
    expect(hedged?.usage).toMatchObject({
      inputTokens: (alone?.usage?.inputTokens ?? 0) + (slower?.inputTokens ?? 0),
      outputTokens: alone?.usage?.outputTokens,
      source: 'estimated',
    });
    expect(alone?.usage?.source).toBe('reported');
  });

  it('asks nobody else when the first answers in time', async () => {
    const { backup, send } = await startPair({ forwarding: { hedgeAfterMs: 5_000 } });
    expect(await readText(await send('/v1/chat/completions', stream))).toMatch(/\[DONE\]\n\n$/);
    expect(backup.requests).toHaveLength(0);
  });

  it('goes on as any other when the first fails before', async () => {
    const { upstream, backup, send } = await startPair({ forwarding: { hedgeAfterMs: 5_000 } });
    upstream.fail({ kind: 'status', status: 500 });
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    expect(backup.requests).toHaveLength(1);
  });

  it('waits for the first when the second fails', async () => {
    const { upstream, backup, send } = await startPair({ forwarding: { hedgeAfterMs: 10 } });
    upstream.fail({ kind: 'split', everyBytes: 10_000, delayMs: 150 });
    backup.fail({ kind: 'status', status: 500 }, { times: 5 });
    const reply = await send('/v1/chat/completions', chat());
    expect([reply.status, backup.requests.length]).toEqual([200, 1]);
  });

  it.each(Array.from({ length: 13 }, (_, index) => index - 4))(
    'asks nobody else when the first fails %i promises after the second has answered',
    async (later) => {
      const asked: string[] = [];
      const answers: { resolve: (reply: EgressReply) => void; reject: (error: Error) => void }[] = [];
      const inSteps = (promises: number, act: () => void) => {
        if (promises <= 0) act();
        else queueMicrotask(() => inSteps(promises - 1, act));
      };
      const egress: Egress = {
        send: ({ origin }) =>
          new Promise((resolve, reject) => {
            asked.push(origin);
            answers.push({ resolve, reject });
            if (answers.length !== 2) return;
            setImmediate(() => {
              inSteps(-later, () => answers[1]?.resolve(toJsonReply()));
              inSteps(later, () =>
                answers[0]?.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })),
              );
            });
          }),
        close: async () => undefined,
      };
      const memory = createMemoryLedger(runtime);
      // one that is asked over a network
      const ledger: Ledger = { ...memory, reserve: async (...call) => memory.reserve(...call) };
      const names = ['first', 'second', 'third'];
      const { send } = await startGateway(
        (config) => ({
          ...config,
          providers: Object.fromEntries(
            names.map((name) => [
              name,
              {
                type: 'openai',
                apiKey: 'sk',
                baseUrl: `https://${name}.test/v1`,
                limits: [{ unit: 'requests', amount: 100, window: '1d' }],
              },
            ]),
          ),
          models: { 'gpt-4.1': { targets: names } },
          forwarding: { hedgeAfterMs: 5 },
        }),
        { egress, ledger },
      );
      expect((await send('/v1/chat/completions', chat())).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(asked).toEqual(['https://first.test', 'https://second.test']);
    },
  );
});

describe('the two attempts of a hedged request', () => {
  /** A gateway before targets that answer when they are told to, by a clock that stands still. */
  async function start(names: string[], more: Partial<GatewayConfig> = {}) {
    const runtime = createVirtualRuntime();
    const egress = createHeldEgress();
    const started = await startGateway(
      (config) => ({
        ...config,
        providers: Object.fromEntries(
          names.map((name) => [name, { type: 'openai', apiKey: 'sk', baseUrl: `https://${name}.test/v1` }]),
        ),
        models: { 'gpt-4.1': { targets: names }, second: { targets: [`${names[1]}/gpt-4.1`] } },
        forwarding: { hedgeAfterMs: 100 },
        retry: {},
        ...more,
      }),
      { runtime, egress },
    );
    const ask = async (model = 'gpt-4.1') => {
      const reply = started.send('/v1/chat/completions', chat({ model }));
      await runtime.advanceAsync(0);
      return reply;
    };
    // what is still on its way when a case fails would be waited for
    onTestFinished(async () => {
      for (const { answer } of egress.sent) answer(400);
      await runtime.advanceAsync(0);
    });
    const answer = async (index: number, status: number) => {
      egress.sent[index]?.answer(status);
      await runtime.advanceAsync(0);
    };
    return { ...started, ...egress, runtime, ask, answer };
  }

  it('are never at the same target', async () => {
    const { runtime, asked, ask, answer } = await start(['a', 'b', 'c']);
    const reply = ask();
    await runtime.advanceAsync(100);
    await answer(0, 500);
    expect(asked()).toEqual(['a', 'b', 'c']);
    await answer(2, 200);
    expect((await reply).status).toBe(200);
  });

  it('are not at the same one where the second is at a limit', async () => {
    const provider = (name: string, limits: object[]) => ({
      ...{ type: 'openai', apiKey: 'sk', baseUrl: `https://${name}.test/v1`, limits },
    });
    const { runtime, asked, ask, answer } = await start(['a', 'b'], {
      providers: { a: provider('a', []), b: provider('b', [{ unit: 'requests', amount: 1, window: '1d' }]) },
    } as Partial<GatewayConfig>);
    const other = ask('second');
    await runtime.advanceAsync(0);
    await answer(0, 200);
    await other;
    const reply = ask();
    await runtime.advanceAsync(100);
    expect(asked()).toEqual(['b', 'a']);
    await answer(1, 200);
    expect((await reply).status).toBe(200);
  });

  it('are not at one where the other has just failed', async () => {
    const { runtime, asked, ask, answer } = await start(['a', 'b', 'c']);
    const reply = ask();
    await runtime.advanceAsync(0);
    await answer(0, 500);
    await runtime.advanceAsync(100);
    expect(asked()).toEqual(['a', 'b', 'c']);
    await answer(2, 200);
    expect((await reply).status).toBe(200);
  });

  it('take nothing out of what there is for further attempts where the second is not made', async () => {
    const { runtime, asked, ask, answer } = await start(['a', 'b'], {
      breaker: { volumeThreshold: 2 },
      retry: { maxAttempts: 2, budget: { ratio: 0, floor: 1 } },
    });
    // the second answers now and then: it is asked when there is no other
    for (const status of [200, 418, 418]) {
      const reply = ask('second');
      await runtime.advanceAsync(0);
      await answer(asked().length - 1, status);
      await reply;
    }
    const reply = ask();
    await runtime.advanceAsync(100);
    expect(asked()).toEqual(['b', 'b', 'b', 'a']);
    await answer(3, 500);
    expect(asked().at(-1)).toBe('b');
    await answer(4, 200);
    expect((await reply).status).toBe(200);
  });
});

describe('hedge', () => {
  it('asks nobody later when the first cannot begin', async () => {
    const runtime = createVirtualRuntime();
    const lost = { lose() {}, discard() {} };
    let asked = 0;
    const first = {
      ...lost,
      begin(): Promise<number> {
        throw new Error('nobody may be asked');
      },
    };
    const second = { ...lost, begin: () => Promise.resolve(++asked) };
    await expect(hedge(first, second, 100, runtime)).rejects.toThrow('nobody may be asked');
    await runtime.advanceAsync(1_000);
    expect([asked, runtime.pending]).toEqual([0, 0]);
  });

  it('asks nobody later when the first has answered', async () => {
    const runtime = createVirtualRuntime();
    const lost = { lose() {}, discard() {} };
    let asked = 0;
    const first = { ...lost, begin: () => Promise.resolve('answer') };
    const second = { ...lost, begin: () => Promise.resolve(`another ${++asked}`) };
    expect(await hedge(first, second, 100, runtime)).toEqual({ result: 'answer', winner: first });
    await runtime.advanceAsync(1_000);
    expect([asked, runtime.pending]).toEqual([0, 0]);
  });
});

describe('a stream that goes out when it is whole', () => {
  it('is tried elsewhere unseen although content had come', async () => {
    const { gateway, upstream, send } = await startPair({ forwarding: { commit: 'complete' } });
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 5 });
    const text = await readText(await send('/v1/chat/completions', stream));
    expect(text).toMatch(/\[DONE\]\n\n$/);
    expect(text.match(/"role":"assistant"/g)).toHaveLength(1);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'complete', target: 'backup/second' });
  });

  it('is asked for once when the connection breaks behind its end', async () => {
    const egress = createScriptedEgress(() => ({ chunks: [finished], breaks: true }));
    const { gateway, send } = await startGateway(
      (config) => ({
        ...config,
        models: { 'gpt-4.1': { targets: ['openai', 'openai/second'] } },
        forwarding: { commit: 'complete' },
      }),
      { egress },
    );
    expect(await readText(await send('/v1/chat/completions', stream))).toBe(finished);
    await until(() => gateway.records.length === 1);
    expect([egress.sent.length, gateway.records[0]?.outcome]).toEqual([1, 'complete']);
  });

  it('keeps its caller waiting with comments, and nothing but them', async () => {
    const { gateway, upstream, send } = await startPair({
      forwarding: { commit: 'complete' },
      relay: { keepAliveMs: 20 },
    });
    upstream.fail({ kind: 'split', everyBytes: 100_000, delayMs: 120 });
    const reply = await send('/v1/chat/completions', stream);
    const text = await readText(reply);
    expect(text).toMatch(/^(: keep-alive\n\n){2,}data: \{/);
    expect(text).toMatch(/\[DONE\]\n\n$/);
    const outcome = await reply.outcome;
    expect(outcome).toMatchObject({ kind: 'complete', replyBytes: text.length });
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'complete', usage: { source: 'reported' } });
  });

  it('tells in the stream what fails while its caller waits', async () => {
    const { gateway, upstream, backup, send } = await startPair({
      forwarding: { commit: 'complete' },
      relay: { keepAliveMs: 10 },
    });
    for (const one of [upstream, backup]) {
      one.fail({ kind: 'status', status: 400, message: 'no', delayMs: 60 } as never, { times: 9 });
    }
    const reply = await send('/v1/chat/completions', stream);
    expect(await readText(reply)).toMatch(/^(: keep-alive\n\n)+data: \{"error":.*\}\n\n$/);
    expect((await reply.outcome).kind).toBe('failed');
    await until(() => gateway.records.length === 1);
  });

  it('ends upstream when its caller stops waiting', async () => {
    const { upstream, send } = await startPair({
      forwarding: { commit: 'complete' },
      relay: { keepAliveMs: 10 },
    });
    upstream.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', stream);
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return?.();
    expect((await reply.outcome).kind).toBe('aborted');
    await until(() => upstream.requests[0]?.aborted === true);
  });

  it('is read on for its usage when its caller leaves while the rest of a long one goes out', async () => {
    const relay = { keepAliveMs: 10, heldReplyBytes: 400, onDisconnect: 'drain' } as const;
    const { gateway, upstream, send } = await startPair({ forwarding: { commit: 'complete' }, relay });
    upstream.fail({ kind: 'split', everyBytes: 500, delayMs: 30 });
    const reply = await send('/v1/chat/completions', stream);
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    for (let text = ''; !text.includes('data: '); ) text += Buffer.from((await iterator.next()).value ?? []);
    await iterator.return?.();
    expect(await reply.outcome).toMatchObject({ kind: 'aborted', usage: { source: 'reported' } });
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'aborted', usage: { source: 'reported' } });
  });
});
