import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import express from 'express';
import fastify, { type FastifyInstance } from 'fastify';
import type { toExpressHandler } from 'headgate/express';
import type { headgate } from 'headgate/fastify';
import type { toFetchHandler } from 'headgate/fetch';
import type { toHonoHandler } from 'headgate/hono';
import type { GatewayHandler, NodeLimits, toNodeHandler } from 'headgate/node';
import { Hono } from 'hono';
import type { Target } from './client.ts';

/** The adapters under test; the mutation check hands in broken ones. */
export interface Adapters {
  readonly toNodeHandler: typeof toNodeHandler;
  readonly toExpressHandler: typeof toExpressHandler;
  readonly headgate: typeof headgate;
  readonly toHonoHandler: typeof toHonoHandler;
  readonly toFetchHandler: typeof toFetchHandler;
}

export interface Running extends Target {
  readonly server: Server;
  close(): Promise<void>;
}

/** One way to mount a gateway in an application. */
export interface Mount {
  readonly name: string;
  readonly family: 'node' | 'express' | 'fastify' | 'hono' | 'fetch';
  readonly protocol: 'http1' | 'http2';
  /** What stands before the gateway's own path. */
  readonly prefix: string;
  /** The host has parsed JSON bodies, and their bytes are lost. */
  readonly losesJsonBytes?: true;
  /** The host sets two cookies and `x-from-host` on every response before the gateway is asked. */
  readonly setsHeaders?: true;
  /** `Request` and `Response` lie between the server and the gateway. */
  readonly overFetch?: true;
  start(adapters: Adapters, gateway: GatewayHandler, limits: NodeLimits): Promise<Running>;
}

export const hostCookies = ['host=1; Path=/', 'host2=2'];

type Listener = http.RequestListener &
  ((request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void);

async function listen(server: Server, protocol: Mount['protocol'], stop?: () => unknown): Promise<Running> {
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return {
    server,
    protocol,
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await stop?.();
    },
  };
}

const onHttp = (listener: unknown) => listen(http.createServer(listener as Listener), 'http1');
const onHttp2 = (listener: unknown) => listen(http2.createServer(listener as Listener), 'http2');

const setHeaders = (_request: unknown, response: http.ServerResponse, next: () => void): void => {
  response.setHeader('set-cookie', hostCookies);
  response.setHeader('x-from-host', 'yes');
  next();
};

function mountExpress(
  layout: (app: express.Express, handler: express.RequestHandler) => unknown,
): Mount['start'] {
  return (adapters, gateway, limits) => {
    const app = express();
    layout(app, adapters.toExpressHandler(gateway, limits));
    return onHttp(app);
  };
}

function mountFastify(isHttp2: boolean, prefix: string, setsHeaders: boolean): Mount['start'] {
  return async (adapters, gateway, limits) => {
    const app = isHttp2 ? (fastify({ http2: true }) as unknown as FastifyInstance) : fastify();
    if (setsHeaders) {
      app.addHook('preHandler', async (_request, reply) => {
        reply.header('set-cookie', hostCookies).header('x-from-host', 'yes');
      });
    }
    app.post('/own', async (request) => request.body);
    app.register(adapters.headgate(gateway, limits), { prefix });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return listen(app.server, isHttp2 ? 'http2' : 'http1', () => app.close());
  };
}

type Layout = (app: Hono, handler: ReturnType<Adapters['toHonoHandler']>) => Hono;

function mountHono(layout: Layout, how: 'node' | 'http2' | 'fetch' = 'node'): Mount['start'] {
  return (adapters, gateway, limits) => {
    const app = layout(new Hono(), adapters.toHonoHandler(gateway, limits));
    const fetch = how === 'fetch' ? (request: Request) => app.fetch(request) : app.fetch;
    const server = createAdaptorServer(
      how === 'http2' ? { fetch, createServer: http2.createServer } : { fetch },
    );
    return listen(server as Server, how === 'http2' ? 'http2' : 'http1');
  };
}

const honoHeaders: Layout = (app, handler) =>
  app
    .basePath('/api/llm')
    .use(async (context, next) => {
      for (const cookie of hostCookies) context.header('set-cookie', cookie, { append: true });
      context.header('x-from-host', 'yes');
      await next();
    })
    .all('/*', handler);

export const mounts: readonly Mount[] = [
  {
    name: 'node:http',
    family: 'node',
    protocol: 'http1',
    prefix: '',
    start: (adapters, gateway, limits) => onHttp(adapters.toNodeHandler(gateway, limits)),
  },
  {
    name: 'node:http2',
    family: 'node',
    protocol: 'http2',
    prefix: '',
    start: (adapters, gateway, limits) => onHttp2(adapters.toNodeHandler(gateway, limits)),
  },
  {
    name: 'node:http behind headers set by the host',
    family: 'node',
    protocol: 'http1',
    prefix: '',
    setsHeaders: true,
    start(adapters, gateway, limits) {
      const handler = adapters.toNodeHandler(gateway, limits);
      return onHttp((request: http.IncomingMessage, response: http.ServerResponse) =>
        setHeaders(request, response, () => handler(request, response)),
      );
    },
  },
  {
    name: 'express before express.json()',
    family: 'express',
    protocol: 'http1',
    prefix: '',
    start: mountExpress((app, handler) => app.use(handler).use(express.json())),
  },
  {
    name: 'express after express.json()',
    family: 'express',
    protocol: 'http1',
    prefix: '/llm',
    losesJsonBytes: true,
    start: mountExpress((app, handler) => app.use(express.json({ limit: '5mb' })).use('/llm', handler)),
  },
  {
    name: 'express after express.json() that keeps rawBody',
    family: 'express',
    protocol: 'http1',
    prefix: '/llm',
    start: mountExpress((app, handler) =>
      app
        .use(
          express.json({
            limit: '5mb',
            verify: (request, _response, bytes) => Object.assign(request, { rawBody: bytes }),
          }),
        )
        .use('/llm', handler),
    ),
  },
  {
    name: 'express under two prefixes after a middleware that sets cookies',
    family: 'express',
    protocol: 'http1',
    prefix: '/api/llm',
    setsHeaders: true,
    start: mountExpress((app, handler) =>
      app.use(setHeaders).use('/api', express.Router().use('/llm', handler)),
    ),
  },
  {
    name: 'fastify',
    family: 'fastify',
    protocol: 'http1',
    prefix: '',
    start: mountFastify(false, '', false),
  },
  {
    name: 'fastify under a prefix after a hook that sets cookies',
    family: 'fastify',
    protocol: 'http1',
    prefix: '/api/llm',
    setsHeaders: true,
    start: mountFastify(false, '/api/llm', true),
  },
  {
    name: 'fastify on node:http2',
    family: 'fastify',
    protocol: 'http2',
    prefix: '/llm',
    start: mountFastify(true, '/llm', false),
  },
  {
    name: 'hono on node-server',
    family: 'hono',
    protocol: 'http1',
    prefix: '',
    start: mountHono((app, handler) => app.all('*', handler)),
  },
  {
    name: 'hono on node-server under a base path after a middleware that sets cookies',
    family: 'hono',
    protocol: 'http1',
    prefix: '/api/llm',
    setsHeaders: true,
    start: mountHono(honoHeaders),
  },
  {
    name: 'hono on node-server after a middleware that read the JSON',
    family: 'hono',
    protocol: 'http1',
    prefix: '/llm',
    start: mountHono((app, handler) =>
      app
        .use(async (context, next) => {
          if (context.req.header('content-type') === 'application/json') await context.req.json();
          await next();
        })
        .all('/llm/*', handler),
    ),
  },
  {
    name: 'hono on node-server with node:http2',
    family: 'hono',
    protocol: 'http2',
    prefix: '/llm',
    start: mountHono((app, handler) => app.all('/llm/*', handler), 'http2'),
  },
  {
    name: 'hono as a fetch handler after a middleware that sets cookies',
    family: 'hono',
    protocol: 'http1',
    prefix: '/api/llm',
    setsHeaders: true,
    overFetch: true,
    start: mountHono(honoHeaders, 'fetch'),
  },
  {
    name: 'fetch',
    family: 'fetch',
    protocol: 'http1',
    prefix: '',
    overFetch: true,
    start(adapters, gateway, limits) {
      const handler = adapters.toFetchHandler(gateway, limits);
      return listen(createAdaptorServer({ fetch: (request) => handler(request) }) as Server, 'http1');
    },
  },
];
