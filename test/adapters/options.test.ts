import http from 'node:http';
import http2 from 'node:http2';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { type PulledBody, toGatewayError } from 'headgate';
import { toExpressHandler } from 'headgate/express';
import { headgate } from 'headgate/fastify';
import { toFetchHandler } from 'headgate/fetch';
import { toHonoHandler } from 'headgate/hono';
import { type GatewayHandler, toGatewayRequest, toNodeHandler } from 'headgate/node';
import { type Context, Hono, type HonoRequest } from 'hono';
import { describe, expect, it } from 'vitest';
import { chat, startGateway, until } from '../harness.ts';
import { open, readAll, send, talk } from './support/client.ts';
import { createStubGateway, maxBodyBytes, partsBody, ScriptedBody, toReply } from './support/stub-gateway.ts';

/** What the Hono application of these tests keeps in its context. */
interface Variables {
  Variables: { user: string };
}

/** A body that is read without promises, and has some of its parts as text. */
function asPulled(
  parts: readonly (Uint8Array | string)[],
  more: Partial<PulledBody> = {},
): AsyncIterable<Uint8Array> {
  const left = parts.slice();
  const body: PulledBody & AsyncIterable<Uint8Array> = {
    read(receiver) {
      queueMicrotask(() => {
        const part = left.shift();
        if (part === undefined) receiver.end();
        else if (typeof part !== 'string') receiver.chunk(part);
        else if (receiver.text) receiver.text(part);
        else receiver.fail(new Error('it takes no text'));
      });
    },
    next: () => Promise.reject(new Error('it is read')),
    [Symbol.asyncIterator]: () => body,
    ...more,
  };
  return body;
}

const factories = { toNodeHandler, toExpressHandler, headgate, toHonoHandler, toFetchHandler };

async function withServer(
  listener: http.RequestListener,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

describe.each(Object.entries(factories))('%s', (_name, factory) => {
  it('refuses at once what is not a gateway, and an option out of range, naming it', () => {
    const make = factory as (gateway: GatewayHandler, options?: object) => unknown;
    expect(() => make({} as GatewayHandler)).toThrow(TypeError);
    expect(() => make(undefined as unknown as GatewayHandler)).toThrow(TypeError);
    for (const option of ['maxHeaders', 'bodyTimeoutMs']) {
      for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5']) {
        expect(() => make(createStubGateway(), { [option]: value })).toThrow(new RegExp(`"${option}"`));
      }
    }
  });
});

describe('the host option', () => {
  it('hands over what express, fastify and hono know of the caller', async () => {
    const gateway = createStubGateway();

    const onExpress = express();
    onExpress.use((request, _response, next) => {
      Object.assign(request, { user: 'ada' });
      next();
    });
    const expressHandler = toExpressHandler<express.Request & { user?: string }>(gateway, {
      host: (request) => request.user,
    });
    onExpress.use('/llm', expressHandler);
    await withServer(onExpress, async (port) => {
      await send({ port, protocol: 'http1' }, { path: '/llm/v1/models' });
    });

    const onFastify = fastify();
    onFastify.decorateRequest('tenant', 'lovelace');
    onFastify.register(headgate(gateway, { host: (request) => request.getDecorator('tenant') }), {
      prefix: '/llm',
    });
    await onFastify.listen({ port: 0, host: '127.0.0.1' });
    const { port } = onFastify.server.address() as AddressInfo;
    await send({ port, protocol: 'http1' }, { path: '/llm/v1/models' });
    await onFastify.close();

    const onHono = new Hono<Variables>();
    onHono.use(async (context, next) => {
      context.set('user', 'byron');
      await next();
    });
    onHono.all(
      '/llm/*',
      toHonoHandler(gateway, { host: (context: Context<Variables>) => context.get('user') }),
    );
    await onHono.request('/llm/v1/models');

    expect(gateway.seen.map((request) => request.host)).toEqual(['ada', 'lovelace', 'byron']);
  });

  it('answers with an error of its own when it throws', async () => {
    const gateway = createStubGateway();
    const handler = toNodeHandler(gateway, {
      host: () => {
        throw new Error('no session store');
      },
    });
    await withServer(handler, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { path: '/' });
      expect(reply.status).toBe(500);
      expect(reply.body.toString()).not.toContain('session store');
    });
    expect(gateway.errors).toEqual(['internal_error']);
  });
});

describe('the node bridge', () => {
  it.each(['http1', 'http2'] as const)(
    'writes what is text as the bytes it stands for, over %s',
    async (protocol) => {
      // the bytes of two characters, cut where UTF-8 is not to be cut
      const parts = [
        'data: gr\u00c3',
        '\u00bc\u00c3\u009fe\n\n',
        new Uint8Array([0xc3, 0xa9, 0x00, 0xff]),
        'x'.repeat(100_000),
      ];
      const expected = Buffer.concat(
        parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
      );
      const gateway = createStubGateway();
      gateway.answer = () => toReply(200, asPulled(parts));
      const handler = toNodeHandler(gateway);
      const server = protocol === 'http2' ? http2.createServer(handler) : http.createServer(handler);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const reply = await send({ port, protocol }, { path: '/' });
        expect(reply.whole).toBe(true);
        expect(reply.body.equals(expected)).toBe(true);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    },
  );

  it('borrows chunks until they have been written, and not for less', async () => {
    const large = () => Array.from({ length: 60 }, (_, index) => new Uint8Array(200_000).fill(index));
    const expected = Buffer.concat([...large(), Buffer.from('small')]);
    const gateway = createStubGateway();
    let [lent, given] = [0, 0];
    const lend = (chunk: Uint8Array) => {
      if (lent === 60) return undefined;
      lent++;
      return () => {
        given++;
        // as a body does that knows the memory to be its own
        (chunk.buffer as ArrayBuffer).transfer(0);
      };
    };
    gateway.answer = () => toReply(200, asPulled([...large(), Buffer.from('small')], { lend }));
    const server = http.createServer(toNodeHandler(gateway));
    // of a path the kernel takes less than of any TCP connection: what waits for the caller must not be given back
    const socketPath = join(tmpdir(), `headgate-lend-${process.pid}.sock`);
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const stream = await new Promise<http.IncomingMessage>((resolve) => {
      http.get({ socketPath, path: '/', agent: false }, resolve);
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(given).toBeLessThan(60);
    const { body, whole } = await readAll(stream);
    expect(whole).toBe(true);
    expect(body.equals(expected)).toBe(true);
    expect(given).toBe(60);
    await new Promise((resolve) => server.close(resolve));
  });

  class WatchedResponse<Request extends http.IncomingMessage> extends http.ServerResponse<Request> {
    override write(...all: unknown[]): boolean {
      return super.write(...(all as Parameters<http.ServerResponse['write']>));
    }
  }

  it.each<[string, (handler: ReturnType<typeof toNodeHandler>) => http.Server | http2.Http2Server]>([
    ['by HTTP/2', (handler) => http2.createServer(handler)],
    [
      'where a middleware sees what is written',
      (handler) =>
        http.createServer((request, response) => {
          const write = response.write.bind(response);
          Object.assign(response, { write: (...all: Parameters<typeof write>) => write(...all) });
          handler(request, response);
        }),
    ],
    [
      'where the responses of the host are of its own',
      (handler) => http.createServer({ ServerResponse: WatchedResponse }, handler),
    ],
    [
      'where the connection is not of the kernel',
      (handler) => {
        const inner = http.createServer(handler);
        const outer = http.createServer();
        outer.removeAllListeners('connection').on('connection', (socket: Socket) => {
          const [near, far] = duplexPair();
          socket.pipe(near).pipe(socket);
          inner.emit('connection', far);
        });
        return outer;
      },
    ],
  ])('gives no chunk back %s', async (how, serve) => {
    const gateway = createStubGateway();
    let [lent, given] = [0, 0];
    const parts = [new Uint8Array(200_000).fill(1), new Uint8Array(200_000).fill(2)];
    const lend = () => {
      lent++;
      return () => void given++;
    };
    gateway.answer = () => toReply(200, asPulled(parts, { lend }));
    const server = serve(toNodeHandler(gateway));
    const protocol = how === 'by HTTP/2' ? 'http2' : 'http1';
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const reply = await send({ port, protocol }, { path: '/' });
      expect(reply.body.equals(Buffer.concat(parts))).toBe(true);
      // what is taken and not given back is for the garbage collection
      expect([lent, given]).toEqual([2, 0]);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it.each(['read', 'iterated'])(
    'writes the head with a first chunk that is there already (%s)',
    async (how) => {
      const gateway = createStubGateway();
      gateway.answer = () => toReply(200, how === 'read' ? asPulled(['first']) : partsBody('first'));
      const written: Buffer[] = [];
      const server = http.createServer(toNodeHandler(gateway));
      server.once('connection', (socket: Socket) => {
        // what is handed to the kernel at once; Node gives `_writev` what was written while the socket was corked
        const write = socket._write.bind(socket);
        const writev = socket._writev?.bind(socket);
        socket._write = (chunk, ...more) => {
          written.push(Buffer.from(chunk, 'latin1'));
          write(chunk, ...more);
        };
        socket._writev = (chunks, done) => {
          written.push(Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk, 'latin1'))));
          writev?.(chunks, done);
        };
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await send({ port, protocol: 'http1' }, { path: '/' });
      expect(String(written[0])).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n5\r\nfirst\r\n/);
      await new Promise((resolve) => server.close(resolve));
    },
  );

  it('breaks a reply off that is not whole, also where there is no connection to reset', async () => {
    const gateway = createStubGateway();
    gateway.answer = () =>
      toReply(
        200,
        new ScriptedBody(async (pull) => {
          if (pull === 0) return Buffer.from('begun');
          await new Promise((resolve) => setTimeout(resolve, 10));
          throw new Error('the upstream broke');
        }),
      );
    const server = http.createServer(toNodeHandler(gateway));
    // a socket of a path: one of TLS cannot be reset either
    const path = join(tmpdir(), `headgate-bridge-${process.pid}.sock`);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const caller = connect(path);
    let received = '';
    caller.on('data', (chunk) => {
      received += chunk;
    });
    caller.write('GET /v1/x HTTP/1.0\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => caller.once('close', resolve));
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nbegun$/);
    await new Promise((resolve) => server.close(resolve));
  });

  it('ends a reply that cannot be sent, for its caller and for whoever makes it', async () => {
    const gateway = createStubGateway();
    const body = partsBody('never sent');
    const bodies = [body, 'no body at all' as unknown as ScriptedBody, body];
    // a stage that was not checked by a compiler
    const headers = { 'x-number': 1 as unknown as string, 'x-unsound': '\n' };
    gateway.answer = () => ({ ...toReply(200, '', headers), body: bodies.shift() as ScriptedBody });
    await withServer(toNodeHandler(gateway), async (port) => {
      for (const returns of [1, 1, 2]) {
        await expect(send({ port, protocol: 'http1' }, { path: '/' })).rejects.toThrow();
        expect(body.returns).toBe(returns);
      }
    });
    expect(body.pulls).toBe(0);
  });

  it('has no warning of a leak come up for requests that wait in a pipeline', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const gateway = createStubGateway();
    gateway.answer = async () => {
      await until(() => gateway.seen.length === 20);
      return toReply(200, 'x');
    };
    await withServer(toNodeHandler(gateway), async (port) => {
      const lines = Array<string>(20).fill('GET / HTTP/1.1\r\nHost: a\r\n');
      const received = await talk(port, `${lines.join('\r\n')}Connection: close\r\n\r\n`);
      expect(received.split('HTTP/1.1 200 ')).toHaveLength(21);
    });
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('leaves a response alone that a middleware has answered in the meantime', async () => {
    const gateway = createStubGateway();
    const handler = toNodeHandler(gateway);
    const listener: http.RequestListener = (request, response) => {
      gateway.answer = async () => {
        response.end('timed out by the host');
        return toReply(200, 'too late');
      };
      handler(request, response);
    };
    await withServer(listener, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { path: '/' });
      expect(reply.body.toString()).toBe('timed out by the host');
    });
  });

  it('sends its fields through a writeHead of a middleware, which may take no list as Node does', async () => {
    const gateway = createStubGateway();
    const replies = [
      toReply(200, 'whole', { 'x-request-id': '1', 'set-cookie': ['a=1', 'b=2'], 'x-unsound': '\n' }),
      toReply(200, partsBody('in ', 'parts')),
    ];
    gateway.answer = () => replies.shift() ?? toReply(500, '');
    const handler = toNodeHandler(gateway);
    const listener: http.RequestListener = (request, response) => {
      const { writeHead } = response;
      // on-headers before 1.1, which is in express-session 1.18, compression 1.7 and morgan 1.10
      response.writeHead = (status: number, fields?: unknown) => {
        const pairs = Array.isArray(fields) ? fields : Object.entries(fields ?? {});
        for (const [name, value] of pairs) response.setHeader(name, value);
        response.setHeader('x-middleware', 'yes');
        return writeHead.call(response, status);
      };
      handler(request, response);
    };
    await withServer(listener, async (port) => {
      const whole = await send({ port, protocol: 'http1' }, { path: '/' });
      expect(whole.headers).toMatchObject({
        'content-length': '5',
        'content-type': 'application/octet-stream',
        'set-cookie': ['a=1', 'b=2'],
        'x-middleware': 'yes',
        'x-request-id': '1',
      });
      expect(whole.body.toString()).toBe('whole');
      const parts = await send({ port, protocol: 'http1' }, { path: '/' });
      expect(parts.headers['content-type']).toBe('application/octet-stream');
      expect(parts.body.toString()).toBe('in parts');
    });
  });

  it('lets a host that writes replies itself have the request', async () => {
    const listener: http.RequestListener = async (request, response) => {
      const bytes = await toGatewayRequest(request, response).readBody(maxBodyBytes);
      response.end(bytes);
    };
    await withServer(listener, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { method: 'POST', path: '/', body: 'abc' });
      expect(reply.body.toString()).toBe('abc');
    });
  });

  it('tells each of two who made something of one request that its caller left', async () => {
    const told: string[] = [];
    const listener: http.RequestListener = (request, response) => {
      for (const name of ['one', 'another'])
        toGatewayRequest(request, response).whenGone?.(() => told.push(name));
      request.socket.destroy();
    };
    await withServer(listener, async (port) => {
      await expect(send({ port, protocol: 'http1' }, { path: '/' })).rejects.toThrow();
      await expect.poll(() => told).toEqual(['one', 'another']);
    });
  });

  it.each(['http1', 'http2'] as const)(
    'sees over %s that a caller left while the host had the request, and reads and sends nothing for it',
    async (protocol) => {
      const gateway = createStubGateway();
      const body = partsBody('for nobody');
      gateway.answer = async (request) => {
        try {
          await request.readBody(maxBodyBytes);
        } catch (error) {
          gateway.errors.push(toGatewayError(error).code);
        }
        return toReply(200, body);
      };
      const handler = toNodeHandler(gateway);
      let left: (() => void) | undefined;
      const listener = (request: http.IncomingMessage, response: http.ServerResponse) => {
        // as a parser leaves it, which then waits for the host's session
        const late = () => handler(Object.assign(request, { body: { a: 1 } }), response);
        request.on('data', () => {});
        response.once('close', () => setImmediate(late));
        left?.();
      };
      const server: Server =
        protocol === 'http1' ? http.createServer(listener) : http2.createServer(listener as never);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const headers = { 'content-type': 'application/json' };
      const sending = open({ port, protocol }, { method: 'POST', path: '/', headers, body: '{"a":1}' });
      left = sending.leave;
      await until(() => body.returns === 1);
      expect(body.pulls).toBe(0);
      expect(gateway.errors).toEqual(['caller_gone']);
      expect(gateway.seen[0]?.signal.aborted).toBe(true);
      await new Promise((resolve) => server.close(resolve));
    },
  );

  it.each([
    ['first', true],
    ['later', false],
  ])('leaves what arrives to a host that listens too, having begun %s', async (_when, first) => {
    const body = Buffer.alloc(1_000_000, 'body');
    const kept: Buffer[] = [];
    const keep = (request: http.IncomingMessage) => request.on('data', (chunk: Buffer) => kept.push(chunk));
    const listener: http.RequestListener = async (request, response) => {
      if (first) keep(request);
      const reading = toGatewayRequest(request, response).readBody(maxBodyBytes);
      // a turn later, when it listens already
      await Promise.resolve().then(() => undefined);
      if (!first) keep(request);
      response.end(await reading);
    };
    await withServer(listener, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { method: 'POST', path: '/', body });
      expect(reply.body.equals(body)).toBe(true);
    });
    expect(kept.length).toBeGreaterThan(1);
    expect(Buffer.concat(kept).equals(body)).toBe(true);
  });

  it.each([
    ['is known', true],
    ['has to be looked up', false],
  ])(
    'has the whole body of a request that the host listens to already, where the key %s',
    async (_name, known) => {
      const { gateway, key, send: ask } = await startGateway();
      if (known) await ask('/v1/chat/completions', chat());
      const handler = toNodeHandler(gateway);
      const heard: Buffer[] = [];
      const listener: http.RequestListener = (request, response) => {
        request.on('data', (chunk: Buffer) => heard.push(chunk));
        handler(request, response);
      };
      const body = JSON.stringify(chat());
      await withServer(listener, async (port) => {
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
        const target = { method: 'POST', path: '/v1/chat/completions', headers, body };
        expect((await send({ port, protocol: 'http1' }, target)).status).toBe(200);
      });
      expect(Buffer.concat(heard).toString()).toBe(body);
    },
  );

  // large ones fill what Node holds for who does not read: 64 KiB
  it.each(['http1', 'http2'] as const)(
    'holds a body back until it is read, and lets it go when nobody reads it, for a host that listens: %s',
    async (protocol) => {
      const gateway = createStubGateway();
      const handler = toNodeHandler(gateway);
      const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
      const listener = (request: http.IncomingMessage, response: http.ServerResponse) => {
        const heard: Buffer[] = [];
        request.on('data', (chunk: Buffer) => heard.push(chunk));
        request.on('end', () => bodies.push(Buffer.concat(heard)));
        handler(request, response);
      };
      const bodies: Buffer[] = [];
      const server =
        protocol === 'http1'
          ? http.createServer(listener)
          : http2.createServer(listener as unknown as Parameters<typeof http2.createServer>[0] & object);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const target = { port: (server.address() as AddressInfo).port, protocol };
      const sent: Buffer[] = [];
      for (const reads of [true, false]) {
        gateway.answer = async (request) => {
          await pause();
          return reads ? toReply(200, await request.readBody(maxBodyBytes)) : toReply(401, 'no');
        };
        for (const length of [3, 1_000, 65_535, 65_536, 200_000]) {
          const body = Buffer.alloc(length, `${length}`);
          for (const form of [body, [body.subarray(0, 2), body.subarray(2)]]) {
            const reply = await send(target, { method: 'POST', path: '/', body: form });
            expect([length, reply.status]).toEqual([length, reads ? 200 : 401]);
            if (reads) expect(reply.body.equals(body)).toBe(true);
            // of what nobody reads, what is large or has no length is thrown away with its connection
            if (reads || (form === body && length <= 65_536)) sent.push(body);
          }
        }
      }
      await new Promise((resolve) => server.close(resolve));
      expect(gateway.errors).toEqual([]);
      for (const body of sent) expect(bodies.some((one) => one.equals(body))).toBe(true);
    },
  );

  it('lets a body go that it held when the host has answered itself, and after its time, so that nothing is sent for it', async () => {
    const gateway = createStubGateway();
    const results: unknown[] = [];
    gateway.answer = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      const reading = async () => request.readBody(maxBodyBytes);
      await reading().then(
        (body) => results.push(body.length),
        (error) => results.push(error.code),
      );
      return toReply(200, 'late');
    };
    const handler = toNodeHandler(gateway, { bodyTimeoutMs: 50 });
    const patient = toNodeHandler(gateway);
    let ended = 0;
    const listener: http.RequestListener = (request, response) => {
      request.on('data', () => undefined).on('end', () => ended++);
      if (request.url === '/timed') handler(request, response);
      else patient(request, response);
      if (request.url === '/answered') setTimeout(() => response.writeHead(504).end(), 20);
    };
    await withServer(listener, async (port) => {
      for (const [path, status] of [
        ['/answered', 504],
        ['/timed', 200],
      ] as const) {
        const body = Buffer.alloc(100_000, 'x');
        const reply = await send({ port, protocol: 'http1' }, { method: 'POST', path, body });
        expect(reply.status).toBe(status);
        await until(() => results.length === (path === '/answered' ? 1 : 2));
      }
    });
    expect([results, ended]).toEqual([['body_already_read', 'body_already_read'], 2]);
  });

  it('takes an empty body that nobody could read for one, where a host listens and the key takes its time', async () => {
    const gateway = createStubGateway();
    gateway.answer = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return toReply(200, `${(await request.readBody(maxBodyBytes)).length}`);
    };
    const handler = toNodeHandler(gateway);
    const listener: http.RequestListener = (request, response) => {
      request.on('data', () => undefined);
      handler(request, response);
    };
    await withServer(listener, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { method: 'POST', path: '/', body: [] });
      expect([reply.status, reply.body.toString()]).toEqual([200, '0']);
    });
  });

  it('holds the body for a host that calls the gateway itself', async () => {
    const { gateway, key } = await startGateway();
    const heard: Buffer[] = [];
    const body = JSON.stringify(chat());
    const listener: http.RequestListener = async (request, response) => {
      request.on('data', (chunk: Buffer) => heard.push(chunk));
      const reply = await gateway.handle(toGatewayRequest(request, response));
      response.writeHead(reply.status).end();
    };
    await withServer(listener, async (port) => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const target = { method: 'POST', path: '/v1/chat/completions', headers, body };
      expect((await send({ port, protocol: 'http1' }, target)).status).toBe(200);
    });
    expect(Buffer.concat(heard).toString()).toBe(body);
  });

  it('answers others whose replies come together with one of a gateway that gives none', async () => {
    const gateway = createStubGateway();
    const waiting: (() => void)[] = [];
    gateway.answer = () =>
      new Promise((resolve) => {
        waiting.push(() => resolve(toReply(200, 'ok')));
      });
    const broken: GatewayHandler = {
      handle: async (request) => {
        const reply = await gateway.handle(request);
        return request.path === '/none' ? (undefined as never) : reply;
      },
    };
    await withServer(toNodeHandler(broken), async (port) => {
      const asked = ['/a', '/none', '/b'].map((path) =>
        send({ port, protocol: 'http1' }, { path }).then(
          ({ status }) => status,
          () => 'broken',
        ),
      );
      await until(() => waiting.length === 3);
      for (const answer of waiting) answer();
      expect(await Promise.all(asked)).toEqual([200, 'broken', 200]);
    });
  });

  it('tells a host that begins to listen to the body behind it, and before its turn, that it did', async () => {
    const gateway = createStubGateway();
    const handler = toNodeHandler(gateway);
    const listener: http.RequestListener = (request, response) => {
      handler(request, response);
      request.on('data', () => {});
    };
    await withServer(listener, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { method: 'POST', path: '/', body: 'abc' });
      expect(reply.status).toBe(500);
    });
    expect(gateway.errors).toEqual(['body_already_read']);
  });

  it('says what to do when a body was read and not kept', async () => {
    const gateway = createStubGateway();
    const handler = toNodeHandler(gateway);
    const listener: http.RequestListener = (request, response) => {
      request.on('data', () => {}).on('end', () => handler(request, response));
    };
    await withServer(listener, async (port) => {
      const reply = await send({ port, protocol: 'http1' }, { method: 'POST', path: '/', body: 'abc' });
      expect(reply.status).toBe(500);
      expect(JSON.parse(reply.body.toString()).error.message).toContain('express.json({ verify:');
    });
    expect(gateway.errors).toEqual(['body_already_read']);
  });

  it('does not take a form that was parsed for JSON', async () => {
    const gateway = createStubGateway();
    const app = express();
    app.use(express.urlencoded()).use(toExpressHandler(gateway));
    await withServer(app, async (port) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const reply = await send(
        { port, protocol: 'http1' },
        { method: 'POST', path: '/', headers, body: 'a=1' },
      );
      expect(reply.status).toBe(500);
    });
    expect(gateway.errors).toEqual(['body_already_read']);
  });

  describe.each(['node', 'fetch'])('behind what has read a body in hono, over %s', (over) => {
    async function post(read: (request: HonoRequest) => Promise<unknown>, body: string | FormData) {
      const gateway = createStubGateway();
      const app = new Hono();
      app.use(async (context, next) => {
        await read(context.req);
        await next();
      });
      app.all('*', toHonoHandler(gateway));
      const request = new Request('http://a/', { method: 'POST', body });
      const sent = await request.clone().text();
      let text = '';
      if (over === 'fetch') text = await (await app.fetch(request)).text();
      else {
        await withServer(getRequestListener(app.fetch), async (port) => {
          const headers = { 'content-type': request.headers.get('content-type') ?? '' };
          const reply = await send(
            { port, protocol: 'http1' },
            { method: 'POST', path: '/', headers, body: sent },
          );
          text = reply.body.toString();
        });
      }
      return { errors: gateway.errors, isAsSent: text === sent };
    }
    const form = new FormData();
    form.set('model', 'm');

    it('takes what its request keeps', async () => {
      for (const body of ['{"a":1,"a":2}', form]) {
        expect(await post((request) => request.arrayBuffer(), body)).toEqual({ errors: [], isAsSent: true });
        expect(await post((request) => request.raw.clone().text(), body)).toEqual({
          errors: [],
          isAsSent: true,
        });
      }
      expect(await post((request) => request.parseBody(), form)).toEqual({ errors: [], isAsSent: true });
    });

    it('says what to do where the bytes are lost', async () => {
      const lost = { errors: ['body_already_read'], isAsSent: false };
      expect(await post((request) => request.formData(), form)).toEqual(lost);
      expect(await post((request) => request.raw.text(), '{}')).toEqual(lost);
    });
  });

  it('leaves the body parsing of a fastify application alone', async () => {
    const app = fastify();
    app.register(headgate(createStubGateway()), { prefix: '/llm' });
    app.post('/own', async (request) => request.body);
    const reply = await app.inject({ method: 'POST', url: '/own', payload: { a: 1 } });
    expect(reply.json()).toEqual({ a: 1 });
    await app.close();
  });

  it('waits for no rest of a large request that a fastify application injects', async () => {
    const app = fastify();
    app.register(headgate(createStubGateway()));
    const payload = 'x'.repeat(100_000);
    const reply = await app.inject({ method: 'POST', url: '/v1/x', payload });
    expect(reply.body).toBe(payload);
    expect(reply.headers.connection).not.toBe('close');
    await app.close();
  });
});
