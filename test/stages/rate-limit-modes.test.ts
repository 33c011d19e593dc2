import type { GatewayOptions } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { toLimit } from '../../src/limits/limit.ts';
import type { LimitEvent } from '../../src/limits/limit-event.ts';
import { createThresholds } from '../../src/limits/limit-event.ts';
import { createSqliteStores } from '../../src/stores/sqlite/sqlite-stores.ts';
import { chat, makeKey, readJson, startGateway, until } from '../harness.ts';
import { atEnd, newFile } from '../stores/sqlite-fixture.ts';
import { anthropic, type Limits, limited, message } from './limited-gateway.ts';

const now = Date.UTC(2030, 0, 1, 12);
const start = (limits: Limits, options: GatewayOptions = {}) => {
  const runtime = createVirtualRuntime({ now });
  return startGateway(limited(...limits), { runtime, ...options }).then((started) => ({
    ...started,
    runtime,
  }));
};
const most = Number.MAX_SAFE_INTEGER;
const batchOf = (maxTokens: number) => ({
  requests: [{ custom_id: 'a', params: message({ max_tokens: maxTokens }) }],
});
const ask = async (send: Awaited<ReturnType<typeof start>>['send'], headers = {}, body = chat()) =>
  send('/v1/chat/completions', body, { headers });

describe('a limit in shadow mode', () => {
  it('lets pass without a word, counts, and notes in the record what it would have refused', async () => {
    const { send, gateway } = await start([{ unit: 'requests', amount: 1, window: '1d', mode: 'shadow' }]);
    const replies = [await ask(send), await ask(send)];
    expect(replies.map(({ status, headers }) => [status, headers['x-headgate-warning']])).toEqual([
      [200, undefined],
      [200, undefined],
    ]);
    await until(() => gateway.records.length === 2);
    expect(gateway.records.map(({ shadowDenied }) => shadowDenied)).toEqual([
      undefined,
      ['profile standard: 1 requests per 1d for each key'],
    ]);
  });
});

describe.each(['shadow', 'warn'] as const)('a limit in %s mode that all teams share', (mode) => {
  it.each([
    ['a stream that is running', '/v1/chat/completions', chat({ stream: true, max_tokens: most })],
    ['a batch that is over', '/v1/messages/batches', batchOf(most)],
  ])('serves a team when another asks for more than can be counted: %s', async (_, path, absurd) => {
    const stores = createSqliteStores({ file: newFile() });
    atEnd(() => stores.close());
    await stores.migrate();
    const { key, record } = makeKey('research');
    const { send, gateway } = await startGateway(
      (config) => ({
        ...config,
        teams: { ...config.teams, research: { profile: 'standard' } },
        keys: [...(config.keys ?? []), record],
        limits: [{ unit: 'tokens', amount: 1_000, window: 'lifetime', mode }],
      }),
      { ledger: stores.ledger },
    );
    const other = async () => (await send('/v1/chat/completions', chat(), { key })).status;
    const replies = [await send(path, absurd, anthropic), await send(path, absurd, anthropic)];
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    if (path.endsWith('batches')) await until(() => gateway.records.length === 2);
    expect([await other(), await other()]).toEqual([200, 200]);
  });
});

describe('a limit that says so', () => {
  it('is answered with 429 in place of 402, still with the advice against trying again', async () => {
    const { send } = await start([{ unit: 'requests', amount: 1, window: '1d', status: 429 }]);
    await ask(send);
    const refused = await ask(send);
    expect([refused.status, refused.headers['x-should-retry'], refused.headers['retry-after']]).toEqual([
      429,
      'false',
      undefined,
    ]);
  });

  it('is raised until its raise ends', async () => {
    const { send, runtime } = await start([
      {
        unit: 'requests',
        amount: 1,
        window: '1d',
        raises: [{ amount: 3, until: new Date(now + 60_000).toISOString() }],
      },
    ]);
    const statuses = [await ask(send), await ask(send), await ask(send), await ask(send)].map(
      ({ status }) => status,
    );
    expect(statuses).toEqual([200, 200, 200, 402]);
    runtime.advance(60_000);
    expect((await ask(send)).status).toBe(402);
    runtime.advance(12 * 3_600_000);
    expect([(await ask(send)).status, (await ask(send)).status]).toEqual([200, 402]);
  });

  it('counts the tokens that it names, by their weights', async () => {
    const { send } = await start([{ unit: 'tokens', count: 'output', amount: 100, window: '1d' }]);
    const input = 'many words '.repeat(500);
    const body = chat({ max_tokens: 60, messages: [{ role: 'user', content: input }] });
    expect((await ask(send, {}, body)).status).toBe(200);
    expect((await ask(send, {}, chat({ max_tokens: 101 }))).status).toBe(400);
  });

  it('without an end is 402, and says that it does not reset', async () => {
    const { send } = await start([{ unit: 'requests', amount: 1, window: 'lifetime' }]);
    await ask(send);
    const refused = await ask(send);
    expect(refused.status).toBe(402);
    expect((await readJson(refused)).error.message).toContain('does not reset');
  });

  it('says by how much a request is too large for it', async () => {
    const { send } = await start([{ unit: 'tokens', amount: 100, window: '1d' }]);
    const refused = await ask(send, {}, chat({ max_tokens: 1_000 }));
    expect((await readJson(refused)).error.message).toMatch(
      /allows 100 tokens in all: 9\d\d tokens too much/,
    );
  });
});

describe('a limit for each run, end user or value of the metadata', () => {
  const per = (subject: 'run' | 'endUser' | 'metadata:ticket', required = false): Limits => [
    { unit: 'requests', amount: 1, window: '1d', per: subject, required },
  ];

  it.each([
    ['run', { 'x-headgate-run': 'one' }, { 'x-headgate-run': 'two' }],
    ['endUser', { 'x-headgate-end-user': 'one' }, { 'x-headgate-end-user': 'two' }],
    ['metadata:ticket', { 'x-headgate-metadata': 'ticket=1' }, { 'x-headgate-metadata': 'ticket=2' }],
  ] as const)('counts each %s apart, and requests without one not at all', async (subject, one, other) => {
    const { send } = await start(per(subject));
    const statuses = [one, one, other, {}, {}].map(async (headers) => (await ask(send, headers)).status);
    expect(await Promise.all(statuses)).toEqual([200, 402, 200, 200, 200]);
  });

  it.each([
    ['run', 400, 'x-headgate-run'],
    ['endUser', 400, 'x-headgate-end-user'],
    ['metadata:ticket', 400, 'x-headgate-metadata: ticket='],
  ] as const)(
    'refuses a request without %s where it is required, and says what to send',
    async (subject, status, told) => {
      const { send, upstream } = await start(per(subject, true));
      const refused = await ask(send);
      expect(refused.status).toBe(status);
      expect((await readJson(refused)).error.message).toContain(told);
      expect(upstream.requests).toHaveLength(0);
    },
  );

  it('knows the end user that the body names, in the words of each dialect', async () => {
    const { send } = await start(per('endUser'));
    const claude = (user: string) =>
      send('/v1/messages', message({ metadata: { user_id: user } }), anthropic);
    expect((await ask(send, {}, chat({ user: 'ada' }))).status).toBe(200);
    expect((await ask(send, {}, chat({ safety_identifier: 'ada', user: 'x' }))).status).toBe(402);
    expect((await claude('ada')).status).toBe(402);
    expect((await claude('bob')).status).toBe(200);
    expect((await ask(send, { 'x-headgate-end-user': 'eve' }, chat({ user: 'ada' }))).status).toBe(200);
    for (const user of [7, null, '', {}, 'x'.repeat(5_000)]) {
      expect((await ask(send, {}, chat({ user }))).status).toBe(200);
    }
  });

  it.each(['', ' ', 'x'.repeat(129), 'tab\there', 'größe', ['one', 'two']])(
    'refuses a run that cannot be a name: %j',
    async (name) => {
      const { send } = await start(per('run'));
      expect((await ask(send, { 'x-headgate-run': name })).status).toBe(400);
    },
  );
});

describe('the header fields of limits', () => {
  const limits: Limits = [
    { unit: 'requests', amount: 3, window: '1h' },
    { unit: 'tokens', amount: 10_000, window: '1d' },
  ];

  it('tell when they reset, as a duration to OpenAI clients', async () => {
    const { send } = await start(limits);
    const { headers } = await ask(send);
    expect(headers['x-ratelimit-reset-requests']).toBe('1h0m0s');
    expect(headers['x-ratelimit-reset-tokens']).toBe('12h0m0s');
  });

  it('are on refusals and failures too, in the words of the dialect', async () => {
    const { send, upstream } = await start(limits);
    await ask(send);
    upstream.fail({ kind: 'status', status: 401 });
    const failed = await ask(send);
    expect([failed.status, failed.headers['x-ratelimit-remaining-requests']]).toEqual([502, '1']);
    await ask(send);
    const refused = await ask(send);
    expect([refused.status, refused.headers['x-ratelimit-remaining-requests']]).toEqual([402, '0']);
    const claude = await send('/v1/messages', message(), anthropic);
    expect([claude.status, claude.headers['anthropic-ratelimit-requests-reset']]).toEqual([
      402,
      '2030-01-01T13:00:00Z',
    ]);
  });
});

describe('the thresholds of a limit', () => {
  it('are told once each in a window, with what is used, and again in the next', () => {
    const events: LimitEvent[] = [];
    const thresholds = createThresholds((event) => events.push(event));
    const limit = toLimit({ unit: 'requests', amount: 10, window: '1h', mode: 'warn' }, 'team a', 'key');
    const see = (used: number, bucket = 1) =>
      thresholds.see(limit, { key: 'k', used, held: 5, amount: 10 }, bucket, 7);
    const told = () =>
      events.splice(0).map((event) => (event.kind === 'threshold' ? event.percent : event.kind));
    see(4);
    expect(told()).toEqual([]);
    thresholds.add('k', 1, 1);
    expect(told()).toEqual([50]);
    see(5);
    see(9);
    expect(told()).toEqual([80]);
    thresholds.add('k', 3, 1);
    expect(told()).toEqual([100]);
    see(12);
    see(3, 2);
    expect(told()).toEqual([]);
    see(6, 2);
    expect(told()).toEqual([50]);
    thresholds.add('unknown', 99, 2);
    expect(told()).toEqual([]);
  });

  it('are told of the window that a request was counted in, and not of the next one when it ends there', () => {
    const told = (window: '1m' | { rolling: '1m' }, buckets: readonly number[]) => {
      const events: LimitEvent[] = [];
      const thresholds = createThresholds((event) => events.push(event));
      const limit = toLimit({ unit: 'tokens', amount: 10, window, mode: 'warn' }, 'team a', 'key');
      for (const bucket of buckets)
        thresholds.see(limit, { key: 'k', used: 0, held: 5, amount: 10 }, bucket, 7);
      thresholds.add('k', 9, buckets[0] as number);
      return events.map((event) => event.kind === 'threshold' && event.percent);
    };
    expect(told('1m', [60_000])).toEqual([50, 80]);
    expect(told('1m', [60_000, 120_000])).toEqual([]);
    expect(told({ rolling: '1m' }, [60_000, 120_000])).toEqual([50, 80]);
    expect(told({ rolling: '1m' }, [60_000, 125_000])).toEqual([]);
  });

  it.each(['1h', { rolling: '1h' }] as const)(
    'are told of a lower amount, when a raise has ended or the amount was changed, with the window %j',
    (window) => {
      const events: LimitEvent[] = [];
      const thresholds = createThresholds((event) => events.push(event));
      const limit = toLimit({ unit: 'requests', amount: 100, window, mode: 'warn' }, 'team a', 'key');
      const told = (used: number, amount: number, bucket = 1) => {
        thresholds.see(limit, { key: 'k', used, held: 0, amount }, bucket, 7);
        return events.splice(0).map((event) => event.kind === 'threshold' && [event.percent, event.amount]);
      };
      const isRolling = window !== '1h';
      expect(told(60, 1_000)).toEqual([]);
      // a rolling window keeps what is used from one bucket to the next
      expect(told(95, 1_000, isRolling ? 2 : 1)).toEqual([]);
      expect(told(95, 100, isRolling ? 3 : 1)).toEqual([
        [50, 100],
        [80, 100],
      ]);
      expect(told(99, 100, isRolling ? 3 : 1)).toEqual([]);
      expect(told(99, 90, isRolling ? 4 : 1)).toEqual([[100, 90]]);
      expect(told(99, 0, isRolling ? 4 : 1)).toEqual([
        [50, 0],
        [80, 0],
        [100, 0],
      ]);
    },
  );

  it('are followed for a bounded number of counts', () => {
    const events: LimitEvent[] = [];
    const thresholds = createThresholds((event) => events.push(event), 2);
    const config = { unit: 'requests', amount: 2, window: '1h', mode: 'warn', thresholds: [100] } as const;
    const limit = toLimit({ ...config, thresholds: [100] }, 'team a', 'key');
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b'])
      thresholds.see(limit, { key, used: 2, held: 0, amount: 2 }, 1, undefined);
    expect(events.map((event) => event.kind === 'threshold' && event.key)).toEqual(['a', 'b', 'c', 'b']);
  });
});
