import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { act, type Exchange } from './act.ts';
import type { Fault } from './faults.ts';
import { type RequestHead, readRequests } from './read-request.ts';
import type { Tapes } from './tape.ts';

/** A request as the upstream saw it. */
export interface SeenRequest {
  readonly head: RequestHead;
  body: Buffer;
  /** Which connection it came on, from 0. */
  readonly connection: number;
  /** Which request of that connection it is, from 0. */
  readonly place: number;
  readonly atMs: number;
  /** The caller's side closed the connection before the reply had ended. */
  wasLeft: boolean;
  /** Bytes of the reply that were handed to the socket. */
  sentBytes: number;
}

/** An upstream on loopback that speaks HTTP byte for byte, honestly or not. */
export interface FaultUpstream {
  readonly port: number;
  /** Requests whose head came, in order. */
  readonly seen: readonly SeenRequest[];
  /** Connections that were accepted. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
  /** What becomes of the requests from now on: the nth fault for the nth request, the last one for all that follow. */
  script(...faults: readonly Fault[]): void;
  /** Decides for each request. */
  decide(choose: (request: SeenRequest) => Fault): void;
  /** Resets every connection that is open. */
  sever(): void;
  close(): Promise<void>;
}

/** How it is set up. */
export interface FaultUpstreamOptions {
  /** What it answers where nothing goes wrong. */
  readonly tapes: Tapes;
  /** Error bodies in the provider's words. */
  readonly toError: (status: number, kind: 'usual' | 'no-money' | 'too-long') => string;
  /** An error in a stream. */
  readonly toErrorEvent: (status: number) => string;
  /** @default any free one */
  readonly port?: number;
  /** Requests that are remembered; the oldest go first. @default all */
  readonly maxSeen?: number;
  /** PEM of the certificate and its key; speaks TLS then. @default plain text */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** Starts an upstream that answers honestly until it is told otherwise. */
export async function startFaultUpstream(options: FaultUpstreamOptions): Promise<FaultUpstream> {
  const seen: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let choose: (request: SeenRequest | undefined) => Fault = () => ({ do: 'answer' });

  const accept = (socket: Socket): void => {
    const connection = connections++;
    let place = 0;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const early = choose(undefined);
    if (early.do === 'hang-up' && early.when === 'accepted') {
      if (early.how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
      return;
    }
    let current: { request: SeenRequest; fault: Fault } | undefined;
    readRequests(
      socket,
      (head) => {
        const request: SeenRequest = {
          ...{ head, body: Buffer.alloc(0), connection, place: place++, wasLeft: false, sentBytes: 0 },
          atMs: performance.now(),
        };
        seen.push(request);
        if (seen.length > (options.maxSeen ?? Number.POSITIVE_INFINITY)) seen.shift();
        current = { request, fault: choose(request) };
        const { fault } = current;
        if (fault.do === 'hang-up' && fault.when === 'head') {
          if (fault.how === 'reset') socket.resetAndDestroy();
          else socket.destroy();
        }
      },
      ({ body }) => {
        if (!current) return;
        const { request, fault } = current;
        request.body = body;
        const isStream = isStreaming(request);
        const exchange: Exchange = {
          socket,
          request,
          isStream,
          tape: isStream ? options.tapes.stream : options.tapes.whole,
          ...options,
        };
        const leave = (): void => {
          request.wasLeft = true;
        };
        socket.once('close', leave);
        act(exchange, fault).then(
          () => socket.off('close', leave),
          // the socket is gone, which is what some faults are about
          () => undefined,
        );
      },
    );
  };

  const server: Server = options.tls
    ? createTlsServer({ ...options.tls }, accept).on('tlsClientError', () => undefined)
    : createServer(accept);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    seen,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    script(...faults) {
      let next = seen.length;
      const first = next;
      choose = (request) => {
        const index = request ? seen.indexOf(request) - first : next++ - first;
        return faults[Math.min(index, faults.length - 1)] ?? { do: 'answer' };
      };
    },
    decide(decide) {
      choose = (request) => (request ? decide(request) : { do: 'answer' });
    },
    sever() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function isStreaming({ head, body }: SeenRequest): boolean {
  return head.target.includes(':stream') || /"stream"\s*:\s*true/.test(body.toString('latin1'));
}
