import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createFaultScript } from './fault-script.ts';
import { handleExchange } from './handle-exchange.ts';
import { createRecorder } from './recorder.ts';
import { createUpstreamState } from './state.ts';
import type { FakeUpstream, FakeUpstreamOptions } from './types.ts';

// Providers keep idle connections much longer than Node's 5 s; a stale one is a fault to be scripted.
const keepAliveMs = 60_000;
const maxHeaderBytes = 65_536;

/**
 * Start an upstream on 127.0.0.1 that speaks the wire formats of OpenAI, Anthropic, Gemini and Cohere's
 * rerank, with streaming, tools, usage and errors, and that misbehaves on demand. It is built from the
 * providers' published formats, and needs no network and no credential.
 *
 * @example
 * ```ts
 * const upstream = await createFakeUpstream({ apiKeys: ['sk-upstream'] });
 * upstream.fail({ kind: 'status', status: 429, retryAfter: 2 });
 * const client = new OpenAI({ baseURL: `${upstream.url}/v1`, apiKey: 'sk-upstream' });
 * await client.chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] });
 * await upstream.close();
 * ```
 * @throws TypeError when an option is out of its range
 */
export async function createFakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  checkOptions(options);
  const recorder = createRecorder(options);
  const script = createFaultScript();
  const sockets = new Set<Socket>();
  let state = createUpstreamState();
  let connections = 0;
  let isClosing = false;
  let closed: Promise<void> | undefined;

  const server = createServer({
    keepAliveTimeout: keepAliveMs,
    requestTimeout: 0,
    maxHeaderSize: maxHeaderBytes,
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const fault = script.takeAccept();
    if (fault !== undefined) {
      closeSocket(socket, fault.how);
    }
  });
  server.on('request', (message: IncomingMessage, response: ServerResponse) => {
    const settings = { options, recorder, script, state, baseUrl: url, isClosing: () => isClosing };
    handleExchange(settings, message, response).catch((cause: unknown) => sayWhy(response, cause));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  const close = () => {
    isClosing = true;
    closed ??= closeServer(server, sockets).then(() => recorder.close());
    return closed;
  };
  return {
    url,
    port,
    requests: recorder.requests,
    tally: recorder.tally,
    get connections() {
      return connections;
    },
    get requestCount() {
      return recorder.count;
    },
    fail(fault, failOptions = {}) {
      script.add(fault, failOptions);
    },
    reset() {
      script.clear();
      recorder.reset();
      state = createUpstreamState();
      connections = 0;
    },
    waitFor: recorder.waitFor,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function closeSocket(socket: Socket, how: 'fin' | 'reset' | undefined): void {
  if (how === 'reset') {
    socket.resetAndDestroy();
  } else {
    socket.destroy();
  }
}

/** A `when`, a selector or a header that throws is the test author's mistake: answer with its message. */
function sayWhy(response: ServerResponse, cause: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) {
    response.removeHeader(name);
  }
  response.writeHead(500, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { message: `The fake upstream failed: ${String(cause)}` } }));
}

async function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const ended = once(server, 'close');
  server.close();
  for (const socket of sockets) {
    socket.destroy();
  }
  await ended;
}

function checkOptions(options: FakeUpstreamOptions): void {
  const floors = {
    chunkDelayMs: 0,
    tokensPerChunk: 1,
    port: 0,
    maxBodyBytes: 0,
    maxRecordedRequests: 1,
    maxRecordedBytes: 0,
  } as const;
  for (const [name, floor] of Object.entries(floors)) {
    const value = options[name as keyof typeof floors];
    if (value !== undefined && !(Number.isFinite(value) && value >= floor)) {
      throw new TypeError(`createFakeUpstream: option ${name} must be a number of at least ${floor}`);
    }
  }
}
