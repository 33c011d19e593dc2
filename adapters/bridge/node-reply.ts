import type { GatewayReply, HeaderMap } from 'headgate';
import type { NodeExchange } from './node-exchange.ts';
import { pump, stopBody } from './node-pump.ts';
import { endAfterRest } from './node-rest.ts';
import { framingFields, isSoundField, toCookieList } from './reply-fields.ts';
import { announcesBody, toDeclaredLength } from './request-checks.ts';

/** Larger replies go out in slices, so that a caller who does not read them is noticed. */
const sliceBytes = 256 * 1024;
/** So little left of a request is not worth a connection: Node reads it and goes on. */
const smallRestBytes = 64 * 1024;

/**
 * Sends a reply; calls `settle` when its bytes are handed to Node or the caller is gone.
 *
 * @throws when the head cannot be sent at all, or there is no body
 */
export function sendNodeReply(
  exchange: NodeExchange,
  reply: GatewayReply,
  settle: (stopped?: Promise<void>) => void,
): void {
  const { outgoing } = exchange;
  const { body } = reply;
  exchange.letGo();
  const bytes = body instanceof Uint8Array ? body : undefined;
  // gone, or a middleware of the host answered in the meantime
  if (exchange.gone || outgoing.headersSent || outgoing.writableEnded) {
    settle(stopBody(body));
    return;
  }

  const isBodiless = reply.status === 204 || reply.status === 304;
  const closes = !exchange.isHttp2 && mustClose(exchange);
  const length = bytes !== undefined && !isBodiless ? bytes.length : -1;
  writeHead(exchange, reply, length, closes);
  exchange.details?.onHead?.();
  if (exchange.method === 'HEAD' || isBodiless) {
    endAfterRest(exchange, undefined);
    settle(stopBody(body));
  } else if (bytes === undefined) {
    pump(exchange, body as AsyncIterable<Uint8Array>, settle);
  } else if (bytes.length > sliceBytes) {
    pump(exchange, slices(bytes), settle);
  } else {
    endAfterRest(exchange, bytes);
    settle();
  }
}

/** Whether keep-alive ends: the server stops, or the caller still sends what nobody will read. */
function mustClose(exchange: NodeExchange): boolean {
  const { incoming } = exchange;
  const server = (incoming.socket as { server?: { listening?: boolean } }).server;
  if (server?.listening === false) return true;
  // `complete` says nothing for a mere imitation of a message, such as Fastify injects
  if (incoming.complete || incoming.readableEnded || !announcesBody(incoming.headers))
    return !exchange.reusable;
  const declared = toDeclaredLength(incoming.headers);
  if (declared < 0 || declared > smallRestBytes) exchange.reusable = false;
  return !exchange.reusable;
}

function writeHead(exchange: NodeExchange, reply: GatewayReply, length: number, closes: boolean): void {
  const fields = toFields(exchange, reply.headers, length);
  if (closes) fields.push('connection', 'close');
  const { outgoing } = exchange;
  const isHead = exchange.method === 'HEAD';
  if (length === -1 && outgoing.hasHeader('content-length')) outgoing.removeHeader('content-length');
  if (length === -1 && reply.headers['content-length'] !== undefined && !exchange.isHttp2 && !isHead) {
    // a stream that is shorter or longer than declared must not look whole
    outgoing.strictContentLength = true;
  }
  // a middleware's replacement may read a list differently: on-headers before 1.1, which express-session 1.18 has
  if (!Object.hasOwn(outgoing, 'writeHead')) {
    try {
      outgoing.writeHead(reply.status, fields as string[]);
      return;
    } catch {
      // one value that cannot be sent must not cost the caller the reply
    }
  }
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    const value = fields[index + 1] as string | string[];
    outgoing.removeHeader(name);
    // the core promises sound values: others come from a custom stage, and are left out
    if (isSoundField(name, value)) outgoing.setHeader(name, value);
  }
  outgoing.writeHead(reply.status);
}

type Fields = (string | string[])[];

/** Names and values in turn: the form that Node sends without copying it into an object first. */
function toFields(exchange: NodeExchange, headers: HeaderMap, length: number): Fields {
  const { outgoing, isHttp2 } = exchange;
  const fields: Fields = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || framingFields.has(name)) continue;
    // HTTP/2 has no connection header, and Node does not check values there before the peer does
    if (isHttp2 && (name === 'connection' || !isSoundField(name, value))) continue;
    if (name === 'content-length' && length !== -1 && exchange.method !== 'HEAD') continue;
    if (name === 'set-cookie') fields.push(name, toCookieList(outgoing.getHeader(name), value));
    else fields.push(name, value as string | string[]);
  }
  if (length !== -1 && (exchange.method !== 'HEAD' || headers['content-length'] === undefined)) {
    fields.push('content-length', String(length));
  }
  return fields;
}

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += sliceBytes)
    yield bytes.subarray(start, start + sliceBytes);
}
