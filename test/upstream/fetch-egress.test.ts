import { gzipSync } from 'node:zlib';
import { createFetchEgress } from 'headgate';
import { delay, HttpResponse, http } from 'msw';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chat, readJson, readText, startGateway, until } from '../harness.ts';
import { toEgressRequest } from './egress-request.ts';

const provider = 'https://provider.test/v1';
const seen: Request[] = [];
const server = setupServer();

beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
afterEach(() => {
  server.resetHandlers();
  seen.length = 0;
});
afterAll(() => server.close());

const completion = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Grüße' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
};

/** Answers chat completions, and keeps what was asked. */
function answer(reply: () => Response | Promise<Response>): void {
  server.use(
    http.post(`${provider}/chat/completions`, ({ request }) => {
      seen.push(request.clone());
      return reply();
    }),
  );
}

const start = () =>
  startGateway(
    (config) => ({
      ...config,
      providers: { openai: { type: 'openai', apiKey: 'sk-upstream', baseUrl: provider } },
      models: { 'gpt-4.1': { targets: ['openai'] } },
      retry: { maxAttempts: 1 },
    }),
    { egress: createFetchEgress() },
  );

/** What the egress itself is asked, without a gateway. */
const request = toEgressRequest(new URL(provider).origin, {
  path: '/v1/chat/completions',
  method: 'POST',
  headers: ['content-type', 'application/json'],
  body: new TextEncoder().encode('{}'),
});

const whenAborted = (init: RequestInit | undefined, tell: (reason: unknown) => void) =>
  init?.signal?.addEventListener('abort', () => tell(init.signal?.reason));

describe('a gateway whose way out is fetch', () => {
  it('relays a chat completion with its usage, sent with the credential and nothing of the caller', async () => {
    answer(() => HttpResponse.json(completion));
    const { send, gateway, key } = await start();
    const reply = await send('/v1/chat/completions', chat(), {
      headers: { cookie: 'session=1', 'x-forwarded-for': '10.0.0.1' },
    });
    expect([reply.status, await readJson(reply)]).toEqual([200, completion]);
    expect(await seen[0]?.json()).toEqual(chat());
    expect(seen[0]?.headers.get('authorization')).toBe('Bearer sk-upstream');
    const sent = JSON.stringify([...(seen[0]?.headers ?? [])]);
    expect(sent).not.toContain(key);
    expect(sent).not.toMatch(/cookie|x-forwarded-for/);
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'complete', usage: { source: 'reported' } });
  });

  it('relays a stream as it arrives, byte for byte', async () => {
    const text =
      'data: {"choices":[{"index":0,"delta":{"content":"世界"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: [DONE]\n\n';
    const bytes = new TextEncoder().encode(text);
    answer(
      () =>
        new HttpResponse(
          new ReadableStream({
            async start(controller) {
              for (let at = 0; at < bytes.length; at += 50) {
                controller.enqueue(bytes.slice(at, at + 50));
                await delay(1);
              }
              controller.close();
            },
          }),
          { headers: { 'content-type': 'text/event-stream' } },
        ),
    );
    const { send } = await start();
    const reply = await send(
      '/v1/chat/completions',
      chat({ stream: true, stream_options: { include_usage: true } }),
    );
    expect(await readText(reply)).toBe(text);
    expect(await reply.outcome).toMatchObject({
      kind: 'complete',
      usage: { inputTokens: 1, outputTokens: 1 },
    });
  });

  it('does not follow a redirect: nothing is asked of where it points', async () => {
    let followed = 0;
    server.use(
      http.all('https://internal.test/*', () => {
        followed++;
        return HttpResponse.json(completion);
      }),
    );
    for (const status of [301, 302, 303, 307, 308]) {
      answer(() => new HttpResponse(null, { status, headers: { location: 'https://internal.test/latest' } }));
      const { send } = await start();
      const reply = await send('/v1/chat/completions', chat());
      expect([reply.status, (await readJson(reply)).error.code]).toEqual([502, 'upstream_redirect']);
    }
    expect(followed).toBe(0);
  });

  it('relays what fetch has decompressed without the fields that spoke of the compressed bytes', async () => {
    const packed = gzipSync(JSON.stringify(completion));
    answer(
      () =>
        new HttpResponse(packed, {
          headers: {
            'content-type': 'application/json',
            'content-encoding': 'gzip',
            'content-length': String(packed.length),
          },
        }),
    );
    const reply = await createFetchEgress().send(request);
    expect(reply.headers['content-encoding']).toBeUndefined();
    expect(reply.headers['content-length']).toBeUndefined();
    reply.body.cancel();
  });

  it("shows the provider's refusal, and fails as unreachable when the network does", async () => {
    answer(() =>
      HttpResponse.json({ error: { message: 'bad tool', type: 'invalid_request_error' } }, { status: 400 }),
    );
    const { send } = await start();
    const refused = await send('/v1/chat/completions', chat());
    expect([refused.status, (await readJson(refused)).error.message]).toEqual([400, 'bad tool']);
    answer(() => HttpResponse.error());
    const failed = await send('/v1/chat/completions', chat());
    expect([failed.status, (await readJson(failed)).error.code]).toEqual([502, 'upstream_unreachable']);
  });

  it('collects within a bound and iterates behind it', async () => {
    answer(() => new HttpResponse('0123456789'.repeat(10)));
    const reply = await createFetchEgress().send(request);
    const { bytes, ended } = await reply.body.collect(5);
    let size = bytes.length;
    expect(ended || size > 5).toBe(true);
    for await (const chunk of reply.body) size += chunk.length;
    expect(size).toBe(100);
    expect(await reply.body.collect(5)).toEqual({ bytes: new Uint8Array(0), ended: true });
  });

  it('does not wait for ever for a head, nor for more of a body', async () => {
    // as fetch does: what is aborted rejects with the reason
    const silent = createFetchEgress(
      (_, init) => new Promise((__, reject) => whenAborted(init, (reason) => reject(reason))),
    );
    await expect(silent.send({ ...request, headersTimeoutMs: 20 })).rejects.toMatchObject({
      code: 'UND_ERR_HEADERS_TIMEOUT',
    });
    const halting = createFetchEgress(async (_, init) => {
      const start = (body: ReadableStreamDefaultController) => {
        body.enqueue(Buffer.from('a'));
        whenAborted(init, (reason) => body.error(reason));
      };
      return new Response(new ReadableStream({ start }));
    });
    const reply = await halting.send({ ...request, idleTimeoutMs: 20 });
    await expect(reply.body.collect(5)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  });

  it('waits no longer either for a sender that heeds no signal, and gives up what comes of it', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<Response>();
    const late = createFetchEgress(() => answered);
    await expect(late.send({ ...request, headersTimeoutMs: 20 })).rejects.toMatchObject({
      code: 'UND_ERR_HEADERS_TIMEOUT',
    });
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
    answer(new Response(new ReadableStream({ cancel: () => cancel() })));
    await cancelled;

    const failing = Promise.withResolvers<Response>();
    await expect(
      createFetchEgress(() => failing.promise).send({ ...request, headersTimeoutMs: 20 }),
    ).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    // one that nobody handled would fail the run
    failing.reject(new Error('late'));

    const given = Promise.withResolvers<void>();
    const halting = createFetchEgress(
      async () => new Response(new ReadableStream({ cancel: () => given.resolve() })),
    );
    const reply = await halting.send({ ...request, idleTimeoutMs: 20 });
    await expect(reply.body.collect(5)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
    await given.promise;
  });

  it('is aborted with the caller', async () => {
    answer(async () => {
      await delay(10_000);
      return HttpResponse.json(completion);
    });
    const { send } = await start();
    const controller = new AbortController();
    const waiting = send('/v1/chat/completions', chat(), { signal: controller.signal });
    await until(() => seen.length === 1);
    controller.abort();
    expect((await waiting).status).toBe(499);
  });
});
