import type { IncomingMessage } from 'node:http';
import type { NodeExchange } from './node-exchange.ts';
import {
  announcesBody,
  bodyAlreadyRead,
  bodyTimeout,
  bodyTooLarge,
  callerGone,
  isJson,
  refuseEncoding,
  toDeclaredLength,
} from './request-checks.ts';

const empty = new Uint8Array(0);

/** Where hosts and body parsers leave what they have read. */
interface ParsedMessage extends IncomingMessage {
  readonly rawBody?: unknown;
  readonly body?: unknown;
}

const parsed = Promise.resolve();

/** Reads the whole body, see `GatewayRequest.readBody`. */
export function readNodeBody(exchange: NodeExchange, maxBytes: number): Uint8Array | Promise<Uint8Array> {
  const { incoming } = exchange;
  if (exchange.gone) throw callerGone();
  if (incoming.readableDidRead || incoming.readableEnded)
    return readHeldBody(exchange).then((bytes) => bounded(bytes, maxBytes));
  // if somebody listens already, the body flows before our turn comes, unless it is held
  if (countReaders(incoming) > 0) {
    return new Promise((resolve) => {
      resolve(readArriving(exchange, maxBytes));
    });
  }
  // The parser emits the headers before it parses the body behind them in the same packet. Once that is done, a small
  // body is in the buffer, and needs no listener and no timer.
  return exchange.arrived
    ? readArriving(exchange, maxBytes)
    : parsed.then(() => readArriving(exchange, maxBytes));
}

function readArriving(exchange: NodeExchange, maxBytes: number): Uint8Array | Promise<Uint8Array> {
  const { incoming } = exchange;
  if (exchange.gone) throw callerGone();
  const refusal = refuseEncoding(incoming.headers);
  if (refusal !== undefined) throw refusal;
  const declared = toDeclaredLength(incoming.headers);
  if (declared > maxBytes) {
    exchange.reusable = false;
    throw bodyTooLarge(maxBytes);
  }
  if (!exchange.isHttp2 && !announcesBody(incoming.headers)) return empty;
  if (!exchange.isHttp2 && (incoming.complete || (declared > 0 && incoming.readableLength === declared))) {
    exchange.bodyIsExclusive = countReaders(incoming) === 0;
    return bounded(takeBuffered(incoming), maxBytes);
  }
  return collect(exchange, maxBytes);
}

function bounded(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw bodyTooLarge(maxBytes);
  return bytes;
}

async function readHeldBody(exchange: NodeExchange): Promise<Uint8Array> {
  const { rawBody, body, headers } = exchange.incoming as ParsedMessage;
  const held = rawBody ?? body ?? (await exchange.details?.readParsedBody?.());
  if (held instanceof Uint8Array) return held;
  if (typeof held === 'string') return Buffer.from(held);
  if (body !== undefined && isJson(headers)) return Buffer.from(JSON.stringify(body));
  if (!exchange.isHttp2 && !announcesBody(headers)) return empty;
  // it ended with nothing to read
  if (exchange.incoming.readableEnded && !exchange.incoming.readableDidRead) return empty;
  throw bodyAlreadyRead();
}

function takeBuffered(incoming: IncomingMessage): Uint8Array {
  const chunks: Uint8Array[] = [];
  // more than one only if somebody else listens to the stream as well
  for (
    let chunk = incoming.read();
    chunk !== null;
    chunk = incoming.readableLength > 0 ? incoming.read() : null
  ) {
    chunks.push(toBytes(chunk, incoming));
  }
  // lets the stream end, for hosts that wait for that
  if (incoming.complete) incoming.read();
  else incoming.resume();
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

function toBytes(chunk: Buffer | string, incoming: IncomingMessage): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk, incoming.readableEncoding ?? 'utf8') : chunk;
}

function collect(exchange: NodeExchange, maxBytes: number): Promise<Uint8Array> {
  const { incoming } = exchange;
  const { bodyTimeoutMs } = exchange.limits;
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const stop = () => {
      clearTimeout(timer);
      exchange.onGone = undefined;
      incoming.off('data', onData);
      incoming.off('end', onEnd);
    };
    const fail = (error: Error) => {
      stop();
      // what still arrives is discarded after the reply, see discardRest
      incoming.pause();
      exchange.reusable = false;
      reject(error);
    };
    const onData = (chunk: Buffer | string) => {
      const bytes = toBytes(chunk, incoming);
      length += bytes.length;
      if (length > maxBytes) fail(bodyTooLarge(maxBytes));
      else chunks.push(bytes);
    };
    const onEnd = () => {
      const isAlone = wasAlone && countReaders(incoming) === 1;
      stop();
      // one chunk is handed on as it is, without a copy
      if (chunks.length === 1) {
        resolve(chunks[0] as Uint8Array);
        return;
      }
      exchange.bodyIsExclusive = true;
      resolve(Buffer.concat(chunks, length));
      if (isAlone) chunks.forEach(release);
    };
    const timer = setTimeout(() => fail(bodyTimeout(bodyTimeoutMs)), bodyTimeoutMs);
    const wasAlone = countReaders(incoming) === 0;
    exchange.onGone = () => fail(callerGone());
    incoming.on('data', onData);
    incoming.on('end', onEnd);
    exchange.letGo();
  });
}

/** How many may keep what arrives. */
export function countReaders(incoming: IncomingMessage): number {
  return incoming.listenerCount('data') + incoming.listenerCount('readable');
}

/**
 * Gives the memory of a chunk back at once, not when it is collected as garbage: what large bodies take outside V8's
 * heap triggers full collections of it.
 */
function release({ buffer, byteLength }: Uint8Array): void {
  if (byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
