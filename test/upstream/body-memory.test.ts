import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Arrival,
  authorizeModel,
  createPipeline,
  createUndiciEgress,
  type Egress,
  type EgressRequest,
  forwardWithFallback,
  type GatewayConfig,
  type GatewayOptions,
  nothing,
  type Received,
  rateLimit,
  readCall,
  resolveKey,
  route,
  type Stage,
} from 'headgate';
import { toNodeHandler } from 'headgate/node';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { chat, startGateway, until } from '../harness.ts';

/** What a provider does with a request whose body it has read; by default it answers. */
type Answer = 'whole' | 'fails' | 'refuses' | 'late' | 'breaks' | 'streams';

/** A provider that keeps what it is sent. */
async function startProvider(answers: readonly Answer[] = [], readsAfterMs = 0) {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    if (readsAfterMs > 0) await new Promise((resolve) => setTimeout(resolve, readsAfterMs));
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      // another one was faster
      return;
    }
    const answer = answers[bodies.length] ?? 'whole';
    bodies.push(Buffer.concat(chunks).toString());
    if (answer === 'late') await new Promise((resolve) => setTimeout(resolve, 50));
    if (answer === 'fails') response.writeHead(503).end('{"error":{"message":"no"}}');
    else if (answer === 'refuses') response.writeHead(400).end('{"error":{"message":"no"}}');
    else if (answer === 'whole' || answer === 'late')
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"id":"c","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1}}');
    else {
      const delta = {
        id: 'c',
        object: 'chat.completion.chunk',
        choices: [{ index: 0, delta: { content: 'a' } }],
      };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(delta)}\n\n`);
      setTimeout(() => (answer === 'breaks' ? response.destroy() : response.end('data: [DONE]\n\n')), 20);
    }
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return { bodies, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

/** A gateway on a socket in front of two providers, and how large the memory was that it gave back. */
async function start(
  answers: readonly Answer[] = [],
  more: Partial<GatewayConfig> = {},
  options: GatewayOptions = {},
) {
  const [first, second] = await Promise.all([startProvider(answers), startProvider()]);
  const { gateway, key } = await startGateway(
    (config) => ({
      ...config,
      providers: {
        first: { type: 'openai', apiKey: 'sk-1', baseUrl: first.url },
        second: { type: 'openai', apiKey: 'sk-2', baseUrl: second.url },
        nowhere: { type: 'openai', apiKey: 'sk-3', baseUrl: 'http://127.0.0.1:1/v1' },
      },
      models: {
        'gpt-4.1': { targets: ['first', 'second'] },
        renamed: { targets: ['first/gpt-4.1'] },
      },
      ...more,
    }),
    options,
  );
  const server = createServer(toNodeHandler(gateway)).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const given: number[] = [];
  const { transfer } = ArrayBuffer.prototype;
  const spy = vi.spyOn(ArrayBuffer.prototype, 'transfer').mockImplementation(function (
    this: ArrayBuffer,
    ...length
  ) {
    // chunks that a body came in are smaller
    if (this.byteLength > 100_000) given.push(this.byteLength);
    return transfer.apply(this, length);
  });
  onTestFinished(() => spy.mockRestore());
  const ask = async (body: string) => {
    const reply = await fetch(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body,
      },
    );
    return { status: reply.status, text: await reply.text() };
  };
  return { gateway, first, second, given, ask };
}

const large = (more: object = {}) =>
  JSON.stringify(chat({ messages: [{ role: 'user', content: 'word '.repeat(80_000) }], ...more }));

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

describe('the memory of a large body', () => {
  it('is given back when the body was sent and answered', async () => {
    const { ask, first, given } = await start();
    const body = large();
    expect((await ask(body)).status).toBe(200);
    expect(first.bodies).toEqual([body]);
    expect(given).toEqual([body.length]);
  });

  it('is given back of what was written for one attempt, too', async () => {
    const { ask, first, given } = await start();
    const body = large({ model: 'renamed' });
    await ask(body);
    const sent = body.replace('renamed', 'gpt-4.1');
    expect(first.bodies).toEqual([sent]);
    expect(given.sort()).toEqual([body.length, sent.length].sort());
  });

  it('is given back while a stream lasts', async () => {
    const { ask, given } = await start(['streams']);
    const body = large({ stream: true, stream_options: { include_usage: true } });
    const asking = ask(body);
    await until(() => given.length > 0);
    expect(given).toEqual([body.length]);
    expect((await asking).text).toContain('[DONE]');
  });

  it('lasts for all that are asked one after the other', async () => {
    const { ask, first, second, given } = await start(['fails', 'fails']);
    const body = large();
    expect((await ask(body)).status).toBe(200);
    expect(first.bodies[0]).toBe(body);
    expect(second.bodies).toEqual([body]);
    await until(() => given.length > 0);
    expect(given).toEqual([body.length]);
  });

  it('lasts for the slower of two that are asked at once', async () => {
    const { ask, first, second } = await start(['late'], { forwarding: { hedgeAfterMs: 5 } });
    const body = large();
    for (let asked = 0; asked < 20; asked++) expect((await ask(body)).status).toBe(200);
    await until(() => second.bodies.length > 0);
    for (const sent of [...first.bodies, ...second.bodies]) expect(sent).toBe(body);
  });

  it('lasts for the rescue of a stream', async () => {
    const { ask, second, first, given } = await start(['breaks'], { forwarding: { rescue: ['restart'] } });
    const body = large({ stream: true, stream_options: { include_usage: true } });
    await ask(body);
    await until(() => first.bodies.length + second.bodies.length > 1);
    for (const sent of [...first.bodies, ...second.bodies]) expect(sent).toBe(body);
    await until(() => given.length > 0);
    expect(given).toEqual([body.length]);
  });

  it('lasts for a copy', async () => {
    const { ask, second, given } = await start([], {
      models: { 'gpt-4.1': { targets: ['first'] } },
      routes: [{ name: 'copied', mirror: { target: 'second/gpt-4.1' } }],
    });
    const body = large();
    await ask(body);
    await until(() => second.bodies.length > 0);
    expect(second.bodies).toEqual([body]);
    expect(given).toEqual([]);
  });

  it('is given back of a request that is refused', async () => {
    const { ask, given } = await start(['refuses']);
    const body = large();
    expect((await ask(body)).status).toBe(400);
    expect((await ask(large({ model: 'unknown' }))).status).toBe(404);
    expect(given).toEqual([body.length, body.length]);
  });

  it('is given back where the first that was asked cannot be reached', async () => {
    const { ask, given, second } = await start([], {
      models: { 'gpt-4.1': { targets: ['nowhere', 'second'] } },
    });
    const body = large();
    expect((await ask(body)).status).toBe(200);
    expect(second.bodies).toEqual([body]);
    expect(given).toEqual([body.length]);
  });

  it('lasts for a way out that sends a request once more, elsewhere and at the same time', async () => {
    const shadow = await startProvider(['late', 'late', 'late', 'late'], 100);
    const inner = createUndiciEgress();
    const egress: Egress = {
      send(request) {
        const copy: EgressRequest = Object.create(request, {
          origin: { value: new URL(shadow.url).origin },
          pool: { value: 'shadow' },
          whenGone: { value: () => () => undefined },
        });
        inner.send(copy).then(
          ({ body }) => body.collect(1_000),
          () => undefined,
        );
        return inner.send(request);
      },
      close: () => inner.close(),
    };
    const { ask } = await start([], {}, { egress });
    const bodies = ['a', 'b', 'c', 'd'].map((letter) => large({ user: letter.repeat(8_000_000) }));
    await Promise.all(bodies.map(ask));
    await until(() => shadow.bodies.length === 4);
    expect(shadow.bodies.sort().map(digest)).toEqual(bodies.sort().map(digest));
  });

  it('lasts for a way out that asks again before it answers', async () => {
    const inner = createUndiciEgress();
    const egress: Egress = {
      async send(request) {
        const reply = await inner.send(request);
        if (reply.status !== 503) return reply;
        reply.body.cancel();
        return inner.send(request);
      },
      close: () => inner.close(),
    };
    const { ask, first } = await start(['fails'], {}, { egress });
    const body = large({ model: 'renamed' });
    expect((await ask(body)).status).toBe(200);
    const sent = body.replace('renamed', 'gpt-4.1');
    expect(first.bodies).toEqual([sent, sent]);
  });

  it('lasts for stages of other pipelines', async () => {
    const seen: string[] = [];
    const look: Stage<Arrival & Received, object> = {
      name: 'look',
      async run({ call }, next) {
        const reply = await next(nothing);
        seen.push(Buffer.from(call.body).toString());
        return reply;
      },
    };
    const { ask, given } = await start(
      [],
      {},
      {
        pipeline: ({ keyResolver, upstream, ledger }) =>
          createPipeline<Arrival>()
            .use(resolveKey({ resolver: keyResolver }))
            .use(readCall())
            .use(look)
            .use(authorizeModel())
            .use(rateLimit({ ledger }))
            .use(route())
            .end(forwardWithFallback({ upstream })),
      },
    );
    const body = large();
    expect((await ask(body)).status).toBe(200);
    expect(seen).toEqual([body]);
    expect(given).toEqual([]);
  });
});
