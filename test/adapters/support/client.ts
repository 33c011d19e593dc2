import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import type { Readable } from 'node:stream';

/** Where a server of a mount listens. */
export interface Target {
  readonly port: number;
  readonly protocol: 'http1' | 'http2';
}

export interface ClientRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  /** `undefined` sends no body at all, a list sends it chunked. */
  readonly body?: Uint8Array | string | readonly (Uint8Array | string)[];
  /** Leaves the request open after `body`. */
  readonly unfinished?: boolean;
}

export interface ClientReply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly stream: Readable;
  /** Goes away without a word. */
  leave(): void;
}

export interface WholeReply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
  /** Whether the reply ended as a whole one does. */
  readonly whole: boolean;
}

/** A request under way: its reply, and the way to go before there is one. */
export interface Sending {
  readonly reply: Promise<ClientReply>;
  leave(): void;
}

/** Sends a request over a connection of its own. */
export function open(target: Target, request: ClientRequest): Sending {
  return target.protocol === 'http2' ? openHttp2(target, request) : openHttp1(target, request);
}

/** Sends a request and reads its reply to the end, good or bad. */
export async function send(target: Target, request: ClientRequest): Promise<WholeReply> {
  const sending = open(target, request);
  const reply = await sending.reply;
  const read = await readAll(reply.stream);
  sending.leave();
  return { status: reply.status, headers: reply.headers, ...read };
}

export async function readAll(stream: Readable): Promise<{ body: Buffer; whole: boolean }> {
  const chunks: Buffer[] = [];
  const whole = await new Promise<boolean>((resolve) => {
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => resolve(false));
    stream.on('aborted', () => resolve(false));
    stream.on('close', () => {
      const { complete, rstCode } = stream as Readable & { complete?: boolean; rstCode?: number };
      resolve(complete ?? (rstCode === 0 && stream.readableEnded));
    });
  });
  return { body: Buffer.concat(chunks), whole };
}

function writeBody(stream: NodeJS.WritableStream, { body, unfinished }: ClientRequest): void {
  for (const part of Array.isArray(body) ? body : body === undefined ? [] : [body]) stream.write(part);
  if (unfinished !== true) stream.end();
}

function openHttp1(target: Target, request: ClientRequest): Sending {
  const { method = 'GET', path, headers = {}, body } = request;
  const withLength =
    body === undefined || Array.isArray(body) || request.unfinished === true
      ? headers
      : { 'content-length': String(Buffer.byteLength(body as string)), ...headers };
  const message = http.request({ port: target.port, method, path, headers: withLength, agent: false });
  message.on('error', () => {});
  const reply = new Promise<ClientReply>((resolve, reject) => {
    message.on('error', reject);
    message.on('response', (response) => {
      response.on('error', () => {});
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        stream: response,
        leave: () => message.destroy(),
      });
    });
  });
  reply.catch(() => {});
  writeBody(message, request);
  return { reply, leave: () => message.destroy() };
}

function openHttp2(target: Target, request: ClientRequest): Sending {
  const { method = 'GET', path, headers = {}, body } = request;
  const session = http2.connect(`http://127.0.0.1:${target.port}`);
  session.on('error', () => {});
  const stream = session.request(
    { ':method': method, ':path': path, ...headers },
    { endStream: body === undefined && request.unfinished !== true },
  );
  stream.on('error', () => {});
  stream.on('close', () => session.close());
  const leave = () => {
    // cancelling a stream that is still sending would end its body properly first
    if (request.unfinished === true) session.destroy();
    else stream.close(http2.constants.NGHTTP2_CANCEL);
    session.close();
  };
  const reply = new Promise<ClientReply>((resolve, reject) => {
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('The stream closed without a reply.')));
    stream.on('response', (fields) => {
      const { ':status': status, ...rest } = fields;
      resolve({ status: status ?? 0, headers: rest as ClientReply['headers'], stream, leave });
    });
  });
  reply.catch(() => {});
  if (body !== undefined || request.unfinished === true) writeBody(stream, request);
  return { reply, leave };
}

/** A connection that is spoken over by hand. */
export interface Conversation {
  readonly socket: net.Socket;
  /** Everything that came so far, as latin1. */
  received: string;
  closed: boolean;
}

export function converse(port: number, bytes: string | Uint8Array): Conversation {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
  const conversation: Conversation = { socket, received: '', closed: false };
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    conversation.received += chunk;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    conversation.closed = true;
  });
  return conversation;
}

/** Writes bytes to a socket and gives back everything that comes until `isDone` says so or the server closes. */
export async function talk(
  port: number,
  bytes: string | Uint8Array,
  isDone: (received: string) => boolean = () => false,
): Promise<string> {
  const conversation = converse(port, bytes);
  await until(() => conversation.closed || isDone(conversation.received), 'the server had answered');
  conversation.socket.destroy();
  return conversation.received;
}

/** Waits until something holds; the bound is generous and only there to end a broken run. */
export async function until(holds: () => boolean, what: string, boundMs = 60_000): Promise<void> {
  const end = performance.now() + boundMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Waited in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
