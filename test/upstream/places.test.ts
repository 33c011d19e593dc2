import { createMemoryLedger, type GatewayConfig, type GatewayReply, type Ledger } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, startGateway } from '../harness.ts';
import { createHeldEgress } from './scripted-egress.ts';

const limits = [{ unit: 'requests', amount: 1_000_000, window: '1d' }] as const;

/** A gateway with one target that answers when it is told to, by a clock that stands still. */
async function start(
  provider: object,
  more: Partial<GatewayConfig> = {},
  toLedger: (ledger: Ledger) => Ledger = (ledger) => ledger,
) {
  const runtime = createVirtualRuntime();
  const egress = createHeldEgress();
  const ledger = toLedger(createMemoryLedger(runtime));
  const started = await startGateway(
    (config) => ({
      ...config,
      providers: { openai: { type: 'openai', apiKey: 'sk', baseUrl: 'https://one.test/v1', ...provider } },
      models: { 'gpt-4.1': { targets: ['openai'] } },
      retry: {},
      ...more,
    }),
    { runtime, egress, ledger, limits: { failure: false } },
  );
  const { sent, asked } = egress;
  const settled: number[] = [];
  /** Sends requests, and waits for what comes of them at once. */
  const ask = async (times: number, headers = {}) => {
    const replies = Array.from({ length: times }, () =>
      started.send('/v1/chat/completions', chat(), { headers }),
    );
    for (const reply of replies) void reply.then(({ status }) => settled.push(status));
    await runtime.advanceAsync(0);
    return replies;
  };
  let answered = 0;
  /** Answers those that have not been, and waits for what comes of it at once. */
  const answer = async (status: number, headers = {}) => {
    const open = sent.slice(answered);
    answered = sent.length;
    for (const one of open) one.answer(status, headers);
    await runtime.advanceAsync(0);
    return open.length;
  };
  // what is still on its way when a case fails would be waited for
  onTestFinished(async () => {
    for (let round = 0; round < 20; round++) {
      await answer(400);
      await runtime.advanceAsync(1_000);
    }
  });
  const health = () => started.gateway.health().targets[0];
  return { ...started, runtime, sent, asked, settled, ask, answer, health };
}

const statusesOf = async (replies: readonly Promise<GatewayReply>[]) =>
  (await Promise.all(replies)).map(({ status }) => status);

/** A ledger that is asked over a network. */
const afar = (ledger: Ledger): Ledger => ({
  ...ledger,
  reserve: async (...call) => {
    await new Promise((resolve) => setImmediate(resolve));
    return ledger.reserve(...call);
  },
});

describe('requests that wait for a place at a target', () => {
  it('are not sent when it asks to be left alone meanwhile, and are told at once', async () => {
    const { sent, settled, ask, answer } = await start({ maxInFlight: 2 });
    await ask(6);
    expect(await answer(429, { 'retry-after': '20' })).toBe(2);
    expect([settled, sent.length]).toEqual([Array(6).fill(429), 2]);
  });

  it('are not sent when its breaker opens meanwhile', async () => {
    const breaker = { volumeThreshold: 2 };
    const { sent, settled, ask, answer } = await start(
      { maxInFlight: 2 },
      { breaker, retry: { maxAttempts: 1 } },
    );
    await ask(6);
    await answer(500);
    expect([settled.sort(), sent.length]).toEqual([[502, 502, 503, 503, 503, 503], 2]);
  });

  it('go on as many at once as it takes by then', async () => {
    const { settled, ask, answer, health } = await start({}, { retry: { maxAttempts: 1 } });
    await ask(1);
    await answer(429);
    expect(health()?.maxInFlight).toBe(1);
    await ask(9);
    const rounds: number[] = [];
    for (let round = 0; round < 4; round++) rounds.push(await answer(200));
    expect(rounds).toEqual([1, 2, 2, 3]);
    await answer(200);
    expect(settled).toEqual([429, ...Array(9).fill(200)]);
  });

  it.each([
    ['whose credential was refused', 401],
    ['whose breaker has opened though it still answers', 500],
  ])('are as few at once at a target %s', async (_, status) => {
    const { sent, settled, ask, answer } = await start(
      { maxInFlight: 2 },
      { breaker: { volumeThreshold: 2 }, retry: { maxAttempts: 1 } },
    );
    await ask(2);
    await answer(200);
    await ask(2);
    await answer(status);
    const before = sent.length;
    await ask(5);
    expect([sent.length - before, await answer(200), await answer(200)]).toEqual([2, 2, 2]);
    await answer(200);
    expect(settled.slice(4)).toEqual(Array(5).fill(200));
  });

  it.each([
    ['whose credential was refused', [401]],
    ['whose breaker has opened though it still answers', [500, 500]],
  ])('wait for one at a target that is well, not at a full one before it %s', async (_, statuses) => {
    const of = (name: string) => ({
      ...{ type: 'openai', apiKey: 'sk', baseUrl: `https://${name}.test/v1`, maxInFlight: 1 },
    });
    const { runtime, sent, settled, ask, answer, asked } = await start(
      {},
      {
        providers: { one: of('one'), two: of('two') } as never,
        models: { 'gpt-4.1': { targets: ['one', 'two'] } },
        ...{ breaker: { volumeThreshold: 2 }, retry: { maxAttempts: 1 } },
      },
    );
    for (const status of [200, ...statuses]) {
      await ask(1);
      await answer(status);
    }
    const before = sent.length;
    await ask(3);
    expect(asked().slice(before)).toEqual(['two', 'one']);
    sent[before]?.answer(200);
    await runtime.advanceAsync(0);
    expect([settled.at(-1), asked().slice(before)]).toEqual([200, ['two', 'one', 'two']]);
  });

  it('lose none to one whose ledger fails, or whose time is over while the ledger is asked', async () => {
    for (const isLate of [false, true]) {
      let count = 0;
      const asked: (() => void)[] = [];
      const second = async () => {
        if (!isLate) throw new Error('The store is away.');
        await new Promise<void>((resolve) => asked.push(resolve));
      };
      const { runtime, settled, ask, answer, health } = await start(
        { maxInFlight: 1, limits },
        {},
        (ledger) => ({
          ...ledger,
          reserve: async (...call) => {
            if (++count === 2) await second();
            return ledger.reserve(...call);
          },
        }),
      );
      await ask(1);
      await ask(1, isLate ? { 'x-headgate-timeout-ms': '1000' } : {});
      await ask(1);
      await answer(200);
      if (isLate) await runtime.advanceAsync(1_100);
      for (const go of asked) go();
      await runtime.advanceAsync(0);
      expect(await answer(200)).toBe(1);
      expect([settled, health()?.inFlight]).toEqual([[200, isLate ? 504 : 503, 200], 0]);
    }
  });
});

describe('requests that wait for a target that has asked to be left alone', () => {
  it('go no more at once than it takes, the others behind them', async () => {
    const { runtime, sent, settled, ask, answer } = await start({ maxInFlight: 2 });
    await ask(1);
    // a 429 would leave it fewer places
    await answer(503, { 'retry-after': '1' });
    await ask(5);
    expect(sent).toHaveLength(1);
    await runtime.advanceAsync(1_000);
    expect([await answer(200), await answer(200), await answer(200)]).toEqual([2, 2, 2]);
    expect(settled).toEqual(Array(6).fill(200));
  });

  it('are not sent when it asks for longer meanwhile', async () => {
    const { runtime, sent, settled, ask } = await start({});
    await ask(2);
    sent[1]?.answer(429, { 'retry-after': '1' });
    await runtime.advanceAsync(0);
    await ask(1);
    sent[0]?.answer(429, { 'retry-after': '20' });
    await runtime.advanceAsync(1_000);
    expect([settled, sent.length]).toEqual([[429, 429, 429], 2]);
  });
});

it('requests that are refused in one turn go no more at once to the next target than it takes', async () => {
  const provider = (name: string) => ({ type: 'openai', apiKey: 'sk', baseUrl: `https://${name}.test/v1` });
  const { sent, ask, answer, runtime } = await start(
    {},
    {
      providers: { a: provider('a'), b: { ...provider('b'), maxInFlight: 1 } },
      models: { 'gpt-4.1': { targets: ['a', 'b'] } },
      retry: { budget: { floor: 100 } },
    },
  );
  const replies = await ask(4);
  expect(await answer(401)).toBe(4);
  for (let count = 1; count <= 4; count++) {
    expect(sent).toHaveLength(4 + count);
    expect(await answer(200)).toBe(1);
    await runtime.advanceAsync(0);
  }
  expect(await statusesOf(replies)).toEqual(Array(4).fill(200));
});

describe('requests whose ledger answers later', () => {
  it('get no more places at once than there are', async () => {
    const { runtime, ask, answer, health } = await start({ maxInFlight: 2, limits }, {}, afar);
    const replies = await ask(6);
    for (const left of [2, 2, 2]) {
      await runtime.advanceAsync(0);
      expect(await answer(200)).toBe(left);
    }
    expect([await statusesOf(replies), health()?.inFlight]).toEqual([Array(6).fill(200), 0]);
  });

  it('probe a target that was down one at a time, and hold nothing for those that do not', async () => {
    let open = 0;
    // as many as are sent
    const some = [{ unit: 'requests', amount: 7, window: '1d' }];
    const { runtime, sent, settled, ask, answer } = await start(
      { limits: some },
      { breaker: { volumeThreshold: 2, resetTimeoutMs: 1_000 }, retry: { maxAttempts: 1 } },
      (ledger) => {
        const { reserve } = afar(ledger);
        return {
          ...ledger,
          reserve(...call) {
            open++;
            return reserve(...call);
          },
          settle(...call) {
            open--;
            return ledger.settle(...call);
          },
        };
      },
    );
    await ask(2);
    await runtime.advanceAsync(0);
    expect(await answer(500)).toBe(2);
    await runtime.advanceAsync(1_000);
    await ask(5);
    await runtime.advanceAsync(0);
    expect([sent.length, open]).toEqual([3, 1]);
    await answer(200);
    await runtime.advanceAsync(0);
    expect(await answer(200)).toBe(4);
    expect([settled, open]).toEqual([[502, 502, 200, 200, 200, 200, 200], 0]);
  });
});

describe('a caller who leaves', () => {
  it('as the reply of a second attempt has come takes no place with it', async () => {
    const { runtime, send, sent, answer, health } = await start({});
    const caller = new AbortController();
    const reply = send('/v1/chat/completions', chat(), { signal: caller.signal });
    await runtime.advanceAsync(0);
    await answer(500);
    await runtime.advanceAsync(5_000);
    sent[1]?.answer(200, {}, () => caller.abort());
    expect((await reply).status).toBe(200);
    expect(health()?.inFlight).toBe(0);
  });

  const counted = {
    profiles: { standard: { limits: [{ unit: 'tokens', amount: 1_000_000, window: '1d' } as const] } },
  };

  it('in the pause between two attempts is told so, nobody is asked again, and nothing is counted', async () => {
    const { runtime, gateway, send, sent, answer, health } = await start({}, counted);
    const caller = new AbortController();
    const reply = send('/v1/chat/completions', chat(), { signal: caller.signal });
    await runtime.advanceAsync(0);
    await answer(500);
    caller.abort();
    expect((await reply).status).toBe(499);
    await runtime.advanceAsync(5_000);
    expect([sent.length, health()?.inFlight]).toEqual([1, 0]);
    expect(gateway.records[0]).toMatchObject({ outcome: 'aborted', errorCode: 'caller_gone' });
    expect(gateway.records[0]?.usage).toBeUndefined();
  });

  it('while the provider is at work pays for the input', async () => {
    const { runtime, gateway, send } = await start({}, counted);
    const caller = new AbortController();
    const reply = send('/v1/chat/completions', chat(), { signal: caller.signal });
    await runtime.advanceAsync(0);
    caller.abort();
    expect((await reply).status).toBe(499);
    expect(gateway.records[0]?.usage).toMatchObject({ outputTokens: 0, source: 'estimated' });
    expect(gateway.records[0]?.usage?.inputTokens).toBeGreaterThan(0);
  });
});
