import type { GatewayConfig } from 'headgate';
import { describe, expect, it } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { createScriptedEgress, type ScriptedStream } from './scripted-egress.ts';

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const typed = (value: { readonly type: string }) => `event: ${value.type}\n${data(value)}`;
const word = data({ choices: [{ index: 0, delta: { content: 'x' } }] });
const stop = data({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const done = 'data: [DONE]\n\n';

const requests = {
  chat: ['/v1/chat/completions', chat({ stream: true })],
  responses: ['/v1/responses', { model: 'gpt-4.1', input: 'hi', stream: true }],
  messages: [
    '/v1/messages',
    { model: 'claude', max_tokens: 9, stream: true, messages: [{ role: 'user', content: 'x' }] },
  ],
  gemini: [
    '/v1beta/models/gemini:streamGenerateContent?alt=sse',
    { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
  ],
} as const;

/** A gateway whose models have a first target and a second one with a larger window, and what these answer. */
async function startScripted(first: ScriptedStream, second: ScriptedStream = { chunks: [word, stop, done] }) {
  const egress = createScriptedEgress(({ origin }) => (origin.includes('first') ? first : second));
  const providers: Record<string, GatewayConfig['providers'][string]> = {};
  const models: Record<string, NonNullable<GatewayConfig['models']>[string]> = {};
  for (const [type, model] of [
    ['openai', 'gpt-4.1'],
    ['anthropic', 'claude'],
    ['gemini', 'gemini'],
  ] as const) {
    const targets = ['first', 'second'].map((place) => {
      const provider = `${place}-${type}`;
      providers[provider] = { type, apiKey: 'sk-upstream-secret', baseUrl: `https://${provider}.test` };
      return { provider, contextWindow: place === 'first' ? 8_000 : 1_000_000 };
    });
    models[model] = { targets };
  }
  const started = await startGateway((config) => ({ ...config, providers, models }), { egress });
  const ask = (kind: keyof typeof requests) => {
    const [path, body] = requests[kind];
    return started.send(path, body, { headers: { 'anthropic-version': '2023-06-01' } });
  };
  return { ...started, egress, ask };
}

describe('a stream that ends without content', () => {
  const usageMetadata = { promptTokenCount: 4, totalTokenCount: 4 };
  const usage = { prompt_tokens: 4, completion_tokens: 0 };
  const message = { role: 'assistant', content: [], usage: { input_tokens: 4, output_tokens: 0 } };
  it.each<[keyof typeof requests, string, string]>([
    ['gemini', 'a blocked prompt', data({ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata })],
    ['gemini', 'a filter', data({ candidates: [{ finishReason: 'SAFETY' }], usageMetadata })],
    [
      'chat',
      'a filter',
      data({ choices: [{ index: 0, delta: {}, finish_reason: 'content_filter' }], usage }),
    ],
    [
      'messages',
      'a refusal',
      typed({ type: 'message_start', message } as never) +
        typed({ type: 'message_delta', delta: { stop_reason: 'refusal' } } as never) +
        typed({ type: 'message_stop' }),
    ],
  ])(
    'of %s for a reason, %s, is relayed as it is, once, and says nothing of its target',
    async (kind, _, text) => {
      const { ask, egress } = await startScripted({ chunks: [text] });
      for (let times = 1; times <= 15; times++) {
        const reply = await ask(kind);
        expect([reply.status, await readText(reply)]).toEqual([200, text]);
        expect(egress.sent).toHaveLength(times);
      }
    },
  );

  it('and without a reason is tried elsewhere', async () => {
    for (const text of [
      done,
      stop,
      data({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage }),
    ]) {
      const { ask, egress } = await startScripted({ chunks: [text] });
      expect(await readText(await ask('chat'))).toBe(word + stop + done);
      expect(egress.sent).toHaveLength(2);
    }
  });
});

describe('an error before any content of a stream', () => {
  const said = 'Nope, Füchse; sk-upstream-secret';
  const full = 'prompt is too long: 9000 tokens > 8000 maximum';
  const failed = (code: string) =>
    typed({ type: 'response.failed', response: { error: { code, message: said } } } as never);
  const own: readonly [keyof typeof requests, string][] = [
    ['chat', data({ error: { message: said, type: 'invalid_request_error', code: null } })],
    ['chat', data({ error: { message: said, code: 'content_filter' } })],
    ['responses', typed({ type: 'error', code: 'invalid_prompt', message: said } as never)],
    ['responses', failed('invalid_prompt')],
    ['messages', typed({ type: 'error', error: { type: 'invalid_request_error', message: said } } as never)],
    ['gemini', data({ error: { code: 400, message: said, status: 'INVALID_ARGUMENT' } })],
  ];

  it.each(own)(
    'of %s that is for the caller to mend is told as one with a status is: %s',
    async (kind, text) => {
      const { ask, egress, gateway } = await startScripted({ chunks: [text] });
      for (let times = 1; times <= 15; times++) {
        const reply = await ask(kind);
        expect([reply.status, reply.headers['x-should-retry']]).toEqual([400, 'false']);
        expect(reply.headers['content-type']).toBe('application/json');
        expect((await readJson(reply)).error.message).toBe('Nope, Füchse; [redacted]');
        expect(egress.sent).toHaveLength(times);
      }
      await until(() => gateway.records.length === 15);
      expect(gateway.records[0]).toMatchObject({
        outcome: 'refused',
        attempts: [{ failure: expect.stringMatching(/^stream (bad_request|content_refused)$/) }],
      });
    },
  );

  it.each<[keyof typeof requests, string]>([
    ['messages', typed({ type: 'error', error: { type: 'invalid_request_error', message: full } } as never)],
    [
      'chat',
      data({ error: { message: 'x', type: 'invalid_request_error', code: 'context_length_exceeded' } }),
    ],
    ['responses', failed('context_length_exceeded')],
  ])('of %s that tells of a full window goes to a larger one', async (kind, text) => {
    const { ask, egress } = await startScripted({ chunks: [text] }, { chunks: [text] });
    expect((await ask(kind)).status).toBe(400);
    expect(egress.sent.map(({ origin }) => /first|second/.exec(origin)?.[0])).toEqual(['first', 'second']);
  });

  it("is the provider's or the gateway's own where its code says so, whatever its type", async () => {
    for (const [code, status] of [
      ['invalid_api_key', 502],
      ['insufficient_quota', 502],
      ['rate_limit_exceeded', 429],
    ] as const) {
      const script = { chunks: [data({ error: { message: said, type: 'invalid_request_error', code } })] };
      const { ask } = await startScripted(script, script);
      const reply = await ask('chat');
      expect([code, reply.status]).toEqual([code, status]);
      expect(await readText(reply)).not.toContain('Nope');
    }
  });

  it('and that says nothing else is told as a refusal', async () => {
    const { ask } = await startScripted({ chunks: [data({ error: { code: 'invalid_prompt' } })] });
    const reply = await ask('chat');
    expect([reply.status, (await readJson(reply)).error]).toEqual([400, { code: 'invalid_prompt' }]);
  });
});

describe('the head of a reply', () => {
  const text = word + stop + done;

  it('may say its type twice, as long as it is the same', async () => {
    const twice = ['text/event-stream', ' text/event-stream '];
    const { ask } = await startScripted({ chunks: [word], type: twice }, { chunks: [text] });
    expect(await readText(await ask('chat'))).toContain('"code":"stream_incomplete"');
    const other = await startScripted({ chunks: [word], type: ['text/event-stream', 'text/plain'] });
    expect(await readText(await other.ask('chat'))).toBe(word);
  });

  it('may call no encoding by its name, however it is written', async () => {
    const head = { 'content-encoding': 'Identity' };
    const { ask, egress } = await startScripted({ chunks: [text], headers: head });
    expect(await readText(await ask('chat'))).toBe(text);
    expect(egress.sent).toHaveLength(1);
  });

  it('says what an error is whose body is compressed', async () => {
    const zipped = (status: number): ScriptedStream => ({
      status,
      type: 'application/json',
      chunks: [new Uint8Array([0x1f, 0x8b, 8, 0])],
      headers: { 'content-encoding': 'gzip', 'retry-after': '2' },
    });
    const busy = await (await startScripted(zipped(429), zipped(429))).ask('chat');
    expect([busy.status, busy.headers['retry-after']]).toEqual([429, '2']);
    const refused = await (await startScripted(zipped(400))).ask('chat');
    expect([refused.status, (await readJson(refused)).error.message]).toEqual([
      400,
      'The provider refused the request (status 400) without saying why.',
    ]);
  });
});

it('counts nothing of a stored response that is streamed again', async () => {
  const usage = { input_tokens: 3, output_tokens: 4 };
  const text = typed({ type: 'response.completed', response: { usage } } as never);
  const { send, ask, gateway } = await startScripted({ chunks: [text] });
  await readText(await ask('responses'));
  const reply = await send('/v1/responses/resp_1?stream=true');
  expect([reply.status, await readText(reply)]).toEqual([200, text]);
  await until(() => gateway.records.length === 2);
  expect(gateway.records.map(({ usage }) => usage?.outputTokens)).toEqual([4, undefined]);
});
