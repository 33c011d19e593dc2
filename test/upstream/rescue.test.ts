/* biome-ignore-all lint/suspicious/noExplicitAny: events and bodies of three protocols */
import type { GatewayConfig } from 'headgate';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';
import { createScriptedEgress } from './scripted-egress.ts';

const error = /"error":\{|event: error/;
const words = Array.from({ length: 12 }, (_, index) => `word${index} `);
const whole = words.join('').trimEnd();

/** Two upstreams; the first breaks after some words, the second says what `answer` makes of the request. */
async function startRescue(
  more: Partial<GatewayConfig> & {
    continues?: boolean;
    rescue?: readonly ('continue' | 'restart')[];
    /** Another upstream, behind the second. */
    third?: string;
  },
  answer: (asked: { body: { toString(): string } }) => string,
) {
  const { continues = true, rescue, third, ...config } = more;
  const behind = (type: string) => (third ? [`${type}3/third`] : []);
  const backup = await createFakeUpstream({
    chunkDelayMs: 2,
    reply: (request) => ({ text: answer(request as never) }),
  });
  onTestFinished(() => backup.close());
  const started = await startGateway(
    (base) => ({
      ...base,
      providers: {
        ...base.providers,
        openai2: { type: 'openai', apiKey: 'sk-2', baseUrl: `${backup.url}/v1` },
        anthropic2: { type: 'anthropic', apiKey: 'sk-2', baseUrl: backup.url },
        gemini2: { type: 'gemini', apiKey: 'sk-2', baseUrl: backup.url },
        ...(third && {
          openai3: { type: 'openai', apiKey: 'sk-3', baseUrl: `${third}/v1` },
          anthropic3: { type: 'anthropic', apiKey: 'sk-3', baseUrl: third },
          gemini3: { type: 'gemini', apiKey: 'sk-3', baseUrl: third },
        }),
      },
      models: {
        'gpt-4.1': {
          targets: ['openai', { provider: 'openai2', model: 'gpt-2nd', continues }, ...behind('openai')],
        },
        'claude-sonnet': {
          targets: [
            'anthropic',
            { provider: 'anthropic2', model: 'claude-2nd', continues },
            ...behind('anthropic'),
          ],
        },
        'gemini-flash': {
          targets: ['gemini', { provider: 'gemini2', model: 'gemini-2nd', continues }, ...behind('gemini')],
        },
      },
      ...(rescue && { forwarding: { rescue } }),
      ...config,
    }),
    {},
    {
      chunkDelayMs: 2,
      reply: () => ({ chunks: words.map((word, index) => (index === 11 ? 'word11' : word)) }),
    },
  );
  return { ...started, backup };
}

const said = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;

const calls: readonly {
  name: string;
  path: string;
  body: object;
  headers: Record<string, string>;
  textOf(event: Record<string, any>): string;
  idOf(event: Record<string, any>): unknown;
  partialOf(body: Record<string, any>): string;
  end: RegExp;
}[] = [
  {
    name: 'chat',
    path: '/v1/chat/completions',
    body: chat({ stream: true, stream_options: { include_usage: true } }),
    headers: {},
    textOf: (event) => event.choices?.[0]?.delta?.content ?? '',
    idOf: (event) => event.id,
    partialOf: (body) => body.messages.at(-1).content,
    end: /data: \[DONE\]\n\n$/,
  },
  {
    name: 'completions',
    path: '/v1/completions',
    body: {
      model: 'gpt-4.1',
      prompt: 'hi',
      max_tokens: 99,
      stream: true,
      stream_options: { include_usage: true },
    },
    headers: {},
    textOf: (event) => event.choices?.[0]?.text ?? '',
    idOf: (event) => event.id,
    partialOf: (body) => body.prompt.slice('hi'.length),
    end: /data: \[DONE\]\n\n$/,
  },
  {
    name: 'responses',
    path: '/v1/responses',
    body: { model: 'gpt-4.1', input: 'hi', stream: true, store: false },
    headers: {},
    textOf: (event) => (event.type === 'response.output_text.delta' ? event.delta : ''),
    idOf: (event) => event.response?.id,
    partialOf: (body) => body.input.at(-1).content,
    end: /event: response.completed\ndata: .*\n\n$/,
  },
  {
    name: 'messages',
    path: '/v1/messages',
    body: {
      model: 'claude-sonnet',
      max_tokens: 99,
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    },
    headers: { 'anthropic-version': '2023-06-01' },
    textOf: (event) => (event.type === 'content_block_delta' ? (event.delta.text ?? '') : ''),
    idOf: (event) => event.message?.id,
    partialOf: (body) => body.messages.at(-1).content,
    end: /event: message_stop\ndata: .*\n\n$/,
  },
  {
    name: 'gemini',
    path: '/v1beta/models/gemini-flash:streamGenerateContent?alt=sse',
    body: { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
    headers: {},
    textOf: (event) => event.candidates?.[0]?.content?.parts?.map((part: any) => part.text).join('') ?? '',
    idOf: (event) => event.responseId,
    partialOf: (body) => body.contents.at(-1).parts[0].text,
    end: /\n\n$/,
  },
];

function read(text: string, textOf: (event: Record<string, any>) => string, idOf: (event: any) => unknown) {
  const events = text
    .split(/\r?\n\r?\n/)
    .map((event) => /^data: (\{.*\})$/m.exec(event)?.[1])
    .filter((data) => data !== undefined)
    .map((data) => JSON.parse(data));
  const ids = new Set(events.map(idOf).filter((id) => id !== undefined));
  return { text: events.map(textOf).join(''), ids: ids.size, events };
}

describe.each(calls)('a $name stream that breaks after content went out', (call) => {
  const { path, body, headers, textOf, idOf, partialOf, end } = call;

  it.each(['reset', 'clean-end', 'stream-error'] as const)(
    'is gone on with by a target that continues: one whole answer after %s',
    async (how) => {
      let partial = '';
      const started = await startRescue({}, (asked) => {
        partial = partialOf(JSON.parse(asked.body.toString()));
        return whole.slice(partial.length);
      });
      started.upstream.fail(
        how === 'stream-error'
          ? { kind: 'stream-error', afterChunks: 5 }
          : { kind: 'cut', how, afterChunks: 5 },
      );
      const reply = await started.send(path, body, { headers });
      const text = await readText(reply);
      const found = read(text, textOf, idOf);
      expect(found.text).toBe(whole);
      expect(found.ids).toBe(1);
      expect(text).toMatch(end);
      expect(text).not.toMatch(/"error":[^n]/);
      expect(whole.startsWith(partial)).toBe(true);
      expect(partial.length).toBeGreaterThan(10);
      expect((await reply.outcome).kind).toBe('complete');
      await until(() => started.gateway.records.length === 1);
      const [record] = started.gateway.records;
      expect(record).toMatchObject({
        outcome: 'complete',
        rescue: ['continue'],
        usage: { source: call.name === 'gemini' ? 'reported' : 'estimated' },
      });
      expect(record?.attempts).toHaveLength(2);
      expect(record?.attempts[0]?.failure).toMatch(/^(upstream|stream)_/);
      expect(record?.target).toMatch(/2nd$/);
    },
  );

  it('is begun again where no target continues, and what went out is not said twice', async () => {
    const started = await startRescue({ continues: false, rescue: ['continue', 'restart'] }, () => whole);
    started.upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 5 });
    const reply = await started.send(path, body, { headers });
    const text = await readText(reply);
    expect(read(text, textOf, idOf).text).toBe(whole);
    expect(text).toMatch(end);
    await until(() => started.gateway.records.length === 1);
    expect(started.gateway.records[0]).toMatchObject({ outcome: 'complete', rescue: ['restart'] });
  });

  it('ends with an error in its dialect when the new answer says something else', async () => {
    const started = await startRescue(
      { continues: false, rescue: ['restart'] },
      () => 'word0 word1 and now for something',
    );
    started.upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 5 });
    const text = await readText(await started.send(path, body, { headers }));
    expect(text).toMatch(error);
    expect(text).not.toContain('something');
    expect(text).not.toMatch(/\[DONE\]|message_stop|response\.completed/);
    await until(() => started.gateway.records.length === 1);
    expect(started.gateway.records[0]).toMatchObject({ outcome: 'failed' });
    expect(started.gateway.records[0]?.rescue).toBeUndefined();
  });

  it('is begun again elsewhere when the one that says it again breaks before it says anything new', async () => {
    const third = await createFakeUpstream({ chunkDelayMs: 2, reply: () => ({ text: whole }) });
    onTestFinished(() => third.close());
    const started = await startRescue(
      { continues: false, rescue: ['restart'], third: third.url },
      () => whole,
    );
    for (const [index, one] of [started.upstream, started.backup].entries())
      one.fail({ kind: 'cut', how: 'reset', afterChunks: 5 - 2 * index });
    const text = await readText(await started.send(path, body, { headers }));
    expect(read(text, textOf, idOf).text).toBe(whole);
    expect(text).toMatch(end);
    await until(() => started.gateway.records.length === 1);
    expect(started.gateway.records[0]).toMatchObject({ outcome: 'complete', rescue: ['restart'] });
    expect(started.gateway.records[0]?.attempts.map(({ failure }) => failure !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
    expect(started.gateway.health().targets.every(({ inFlight }) => inFlight === 0)).toBe(true);
  });

  it('ends with an error when the one that goes on breaks, too, and nobody is left', async () => {
    const started = await startRescue({}, () => 'and so on and so on and so on');
    started.upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 }, { times: 10 });
    started.backup.fail({ kind: 'cut', how: 'reset', afterChunks: 3 }, { times: 10 });
    const reply = await started.send(path, body, { headers });
    const text = await readText(reply);
    expect(text).toMatch(error);
    expect((await reply.outcome).kind).toBe('failed');
  });
});

describe('a rescue', () => {
  it('sums what all attempts used, for the caller and for the record', async () => {
    const started = await startRescue({}, () => 'the end');
    started.upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 5 });
    const body = chat({ stream: true, stream_options: { include_usage: true } });
    const text = await readText(await started.send('/v1/chat/completions', body));
    const told = text.split('\n\n').find((event) => event.includes('"usage":{')) as string;
    const { usage } = JSON.parse(told.slice('data: '.length));
    await until(() => started.gateway.records.length === 1);
    const found = started.gateway.records[0]?.usage;
    expect(found?.outputTokens).toBeGreaterThan(5);
    expect(usage.completion_tokens).toBe(found?.outputTokens);
    expect(usage.prompt_tokens).toBe(found?.inputTokens);
  });

  it.each([
    ['is too large', `data: ${'x'.repeat(5_000)}`],
    ['says something else', said('other')],
    ['is an error', 'data: {"error":{"message":"no","type":"server_error"}}\n\n'],
  ])('ends the connection of who said again what went out, and then an event that %s', async (_, event) => {
    const open = new Set<object>();
    let asked = 0;
    const egress = createScriptedEgress(({ origin }) => {
      if (origin.includes('first')) return { chunks: [said('one '), said('two ')], breaks: true };
      const connection = { asked: ++asked };
      open.add(connection);
      return { chunks: [said('one '), event], onCancel: () => open.delete(connection) };
    });
    const { gateway, send } = await startGateway(
      (config) => ({
        ...config,
        providers: {
          first: { type: 'openai', apiKey: 'sk-1', baseUrl: 'https://first.test/v1' },
          second: { type: 'openai', apiKey: 'sk-2', baseUrl: 'https://second.test/v1' },
        },
        models: { 'gpt-4.1': { targets: ['first', 'second'] } },
        forwarding: { rescue: ['restart'] },
        relay: { maxEventBytes: 4_096 },
      }),
      { egress },
    );
    expect(await readText(await send('/v1/chat/completions', chat({ stream: true })))).toMatch(error);
    expect([asked > 0, open.size]).toEqual([true, 0]);
    expect(gateway.health().targets.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });

  it.each<[string, Partial<GatewayConfig['providers'][string]>]>([
    ['place', { maxInFlight: 1 }],
    ['slot', { limits: [{ unit: 'parallel', amount: 1 }] }],
  ])('has the %s that the stream had which broke', async (_, bound) => {
    const { gateway, upstream, send } = await startGateway(
      (config) => ({
        ...config,
        providers: { openai: { ...config.providers.openai!, ...bound } },
        models: { 'gpt-4.1': { targets: ['openai'] } },
        forwarding: { rescue: ['restart'] },
      }),
      {},
      { chunkDelayMs: 2, reply: () => ({ text: whole }) },
    );
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 });
    const ask = async () => readText(await send('/v1/chat/completions', chat({ stream: true })));
    expect(await ask()).not.toMatch(error);
    // and each is free again, once
    expect(gateway.health().targets[0]?.inFlight).toBe(0);
    expect(await ask()).not.toMatch(error);
  });

  it('ends the attempt upstream when its caller leaves meanwhile', async () => {
    const started = await startRescue({}, () => 'x');
    started.upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 });
    started.backup.fail({ kind: 'stall' });
    const reply = await started.send('/v1/chat/completions', chat({ stream: true }));
    const iterator = (reply.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    const reading = (async () => {
      while (!(await iterator.next()).done);
    })();
    await started.backup.waitFor(() => true, 60_000);
    await started.gateway.close({ drainMs: 10 });
    await reading;
    expect((await reply.outcome).kind).toBe('failed');
    await until(() => started.backup.requests[0]?.aborted === true);
  });

  it('ends with an error in its dialect when it is told to end meanwhile', async () => {
    const { gateway, upstream, backup, send } = await startRescue({}, () => 'x');
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 });
    backup.fail({ kind: 'stall' });
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    const text = readText(reply);
    await backup.waitFor(() => true, 60_000);
    await gateway.close({ drainMs: 10 });
    expect(await text).toMatch(/data: \{"error":\{.*"shutting_down"\}\}\n\n$/);
    expect(await reply.outcome).toMatchObject({ kind: 'failed', replyBytes: (await text).length });
  });

  it('ends when its time is over while the new answer says what went out already, and then nothing', async () => {
    const forwarding = { rescue: ['restart'], timeouts: { totalMs: 400 } } as const;
    const { upstream, backup, send } = await startRescue({ forwarding }, () => whole);
    upstream.fail({ kind: 'cut', how: 'reset', afterChunks: 3 });
    backup.fail({ kind: 'cut', how: 'stall', afterChunks: 2 } as never);
    const reply = await send('/v1/chat/completions', chat({ stream: true }));
    expect(await readText(reply)).toMatch(/data: \{"error":\{.*"upstream_timeout"\}\}\n\n$/);
    await until(() => backup.requests[0]?.aborted === true);
  });
});
