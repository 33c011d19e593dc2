import { createGateway, type Gateway, type GatewayConfig, type Hints } from 'headgate';
import { createPostgresStores } from 'headgate/postgres';
import { createRedisStores } from 'headgate/redis';
import { createFakeUpstream, createVirtualRuntime } from 'headgate/testing';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { issueKey } from '../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../src/keys/no-pepper.ts';
import { createRuntime } from '../../src/runtime.ts';
import { Breaker } from '../../src/upstream/health/breaker.ts';
import { shareBreakers } from '../../src/upstream/health/breaker-hints.ts';
import { eventually } from '../eventually.ts';
import { chat } from '../harness.ts';
import { startPostgres } from '../servers/postgres.ts';
import { startRedis } from '../servers/redis.ts';
import type { TestServer } from '../servers/test-server.ts';

const ending: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of ending.reverse()) await end();
});

/** One end of the line between nodes for each that asks, and how to cut it. */
interface Line {
  open(): Promise<Hints>;
  cut(): Promise<void>;
}

async function over(
  server: TestServer,
  open: (url: string) => Promise<{ hints?: Hints; close(): Promise<void> }>,
) {
  ending.push(() => server.stop());
  return {
    async open() {
      const stores = await open(server.url);
      ending.push(() => stores.close());
      return stores.hints as Hints;
    },
    cut: () => server.kill(),
  };
}

const lines: Record<string, () => Promise<Line>> = {
  redis: async () =>
    over(await startRedis({ own: true }), async (url) => {
      const stores = createRedisStores({ url });
      await stores.migrate();
      return stores;
    }),
  postgres: async () =>
    over(await startPostgres({ own: true }), async (connectionString) => {
      const stores = createPostgresStores({ connectionString });
      await stores.migrate();
      return stores;
    }),
};

const issued = issueKey({ team: 'payments' }, createNoPepperRing(), createRuntime());

async function ask(gateway: Gateway): Promise<number> {
  const body = Buffer.from(JSON.stringify(chat()));
  const reply = await gateway.handle({
    ...{ method: 'POST', path: '/v1/chat/completions', query: '', signal: new AbortController().signal },
    headers: { host: 'x', 'content-type': 'application/json', authorization: `Bearer ${issued.key}` },
    readBody: async () => body,
  });
  await reply.outcome;
  return reply.status;
}

/** Two gateways before the same two providers, or before the first alone; resolves when both hear what is told. */
async function startNodes(line: Line, isAlone: boolean, resetTimeoutMs = 600_000) {
  const primary = await createFakeUpstream();
  const backup = await createFakeUpstream();
  const config: GatewayConfig = {
    providers: {
      primary: { type: 'openai', apiKey: 'sk-1', baseUrl: `${primary.url}/v1` },
      backup: { type: 'openai', apiKey: 'sk-2', baseUrl: `${backup.url}/v1` },
    },
    models: { 'gpt-4.1': { targets: isAlone ? ['primary'] : ['primary', 'backup'] } },
    profiles: { standard: {} },
    teams: { payments: { profile: 'standard' } },
    keys: [issued.record as NonNullable<GatewayConfig['keys']>[number]],
    breaker: { volumeThreshold: 5, resetTimeoutMs },
    retry: { maxAttempts: 2, minBackoffMs: 1, maxBackoffMs: 5 },
  };
  const begun = new Set<Hints>();
  const start = async () => {
    const hints = await line.open();
    const listen: Hints['listen'] = (listener) =>
      hints.listen((text) => (text === 'are you there?' ? void begun.add(hints) : listener(text)));
    return createGateway(config, { environment: {}, hints: { ...hints, listen } });
  };
  const [one, other] = [await start(), await start()];
  onTestFinished(async () => {
    await one.close({ drainMs: 1 });
    await other.close({ drainMs: 1 });
    await primary.close();
    await backup.close();
  });
  const stateOf = (gateway: Gateway) =>
    gateway.health().targets.find(({ target }) => target.startsWith('primary/'))?.breaker;
  // each knows the target, and the lines have begun to listen
  expect([await ask(one), await ask(other)]).toEqual([200, 200]);
  const asking = await line.open();
  await eventually(() => {
    asking.publish('are you there?');
    expect(begun.size).toBe(2);
  });
  return { one, other, primary, backup, stateOf };
}

async function open({ one, primary, stateOf }: Awaited<ReturnType<typeof startNodes>>): Promise<void> {
  primary.fail({ kind: 'status', status: 500 }, { times: 5 });
  for (let index = 0; index < 10 && stateOf(one) === 'closed'; index++) await ask(one);
  expect(stateOf(one)).toBe('open');
  primary.reset();
}

describe.each(Object.keys(lines))('a breaker that opens, told over %s', (name) => {
  let line: Promise<Line> | undefined;
  const getLine = () => {
    line ??= (lines[name] as () => Promise<Line>)();
    return line;
  };

  it('makes the other node ask that target last, until a request of its own has found it well', async () => {
    // it is asked while its breaker is open: a time in which a busy machine gets to that
    const nodes = await startNodes(await getLine(), false, 5_000);
    const { other, primary, backup, stateOf } = nodes;
    await open(nodes);
    await vi.waitFor(() => expect(stateOf(other)).toBe('open'), { timeout: 60_000 });
    const [sent, served] = [primary.requests.length, backup.requests.length];
    expect(await ask(other)).toBe(200);
    expect([primary.requests.length, backup.requests.length]).toEqual([sent, served + 1]);
    await vi.waitFor(() => expect(stateOf(other)).toBe('half-open'), { timeout: 60_000 });
    expect(await ask(other)).toBe(200);
    expect([primary.requests.length, stateOf(other)]).toEqual([sent + 1, 'closed']);
  });

  it('never leaves out the only target there is', async () => {
    const nodes = await startNodes(await getLine(), true);
    const { other, primary, stateOf } = nodes;
    await open(nodes);
    await vi.waitFor(() => expect(stateOf(other)).toBe('open'), { timeout: 60_000 });
    const sent = primary.requests.length;
    expect(await ask(other)).toBe(200);
    expect(primary.requests).toHaveLength(sent + 1);
  });

  it('changes nothing, and fails nobody, when the message is lost', async () => {
    const own = await (lines[name] as () => Promise<Line>)();
    const nodes = await startNodes(own, false);
    await own.cut();
    await open(nodes);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(nodes.stateOf(nodes.other)).toBe('closed');
    expect(await ask(nodes.other)).toBe(200);
  });
});

describe('a hint', () => {
  const options = {
    ...{ errorThresholdPercentage: 50, volumeThreshold: 10, resetTimeoutMs: 30_000, maxEjectionMs: 300_000 },
  };

  it('holds for as long as it says, and no longer than a breaker stays open at first', () => {
    for (const [forMs, expected] of [
      [5_000, 5_000],
      [900_000, 30_000],
    ] as const) {
      const breaker = new Breaker(options, () => 0);
      breaker.hint(0, forMs);
      expect([breaker.isClosed, breaker.isDead, breaker.waitMs(0)]).toEqual([false, false, expected]);
      expect(breaker.mayProbe(expected)).toBe(true);
    }
  });

  it('is not told on, and not believed for a while when the target was well', () => {
    const breaker = new Breaker(options, () => 0);
    const told: number[] = [];
    breaker.onOpened = (forMs) => told.push(forMs);
    breaker.hint(0, 5_000);
    expect(told).toEqual([]);
    breaker.beginProbe();
    breaker.succeeded(5_000, true);
    breaker.hint(6_000, 5_000);
    expect(breaker.isClosed).toBe(true);
    breaker.hint(306_000, 5_000);
    expect(breaker.isClosed).toBe(false);
    breaker.beginProbe();
    breaker.failed(311_000, true);
    expect(told).toEqual([30_000]);
  });

  it('is believed for a time that is one alone, whoever wrote it', () => {
    const breaker = new Breaker(options, () => 0);
    let hear: (message: string) => void = () => undefined;
    const line = {
      publish: () => undefined,
      listen: (listener: typeof hear) => {
        hear = listener;
        return () => undefined;
      },
    };
    shareBreakers(line as never, { find: () => ({ breaker }) as never }, createVirtualRuntime());
    for (const forMs of ['-5', '0', 'null', '"5000"', '[5000]', '1e999', '{}']) {
      hear(`{"from":"another","opened":{"primary":${forMs}}}`);
      expect(breaker.isClosed, forMs).toBe(true);
    }
    for (const text of ['', 'null', '[]', '{"from":"another"}', '{"from":"another","opened":null}'])
      hear(text);
    hear('{"opened":{"primary":5000}}');
    expect(breaker.isClosed).toBe(true);
    hear('{"from":"another","opened":{"primary":5000}}');
    expect(breaker.isClosed).toBe(false);
  });
});
