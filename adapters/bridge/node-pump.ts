import type { ServerResponse } from 'node:http';
import type { ReplyBody } from 'headgate';
import type { NodeExchange } from './node-exchange.ts';

const http2InternalError = 2;

/** Writes a body chunk by chunk, each one pulled when the caller can take it. Never rejects. */
export async function pump(exchange: NodeExchange, body: AsyncIterable<Uint8Array>): Promise<void> {
  const { outgoing } = exchange;
  let iterator: AsyncIterator<Uint8Array> | undefined;
  try {
    const source = body[Symbol.asyncIterator]();
    iterator = source;
    exchange.onGone = () => {
      exchange.wake?.();
      void stopIterator(source);
    };
    // the head leaves with the first chunk when that is there already, and alone when it is not
    process.nextTick(flushHead, exchange);
    for (;;) {
      const step = await source.next();
      if (exchange.gone) return;
      if (step.done === true) break;
      exchange.begun = true;
      if (!outgoing.write(step.value)) {
        await drained(exchange);
        if (exchange.gone) return;
      }
    }
    exchange.onGone = undefined;
    outgoing.end();
    if (outgoing.writableLength > 0) watchFlush(exchange);
  } catch {
    if (exchange.gone) return;
    exchange.onGone = undefined;
    breakOff(exchange);
    if (iterator !== undefined) await stopIterator(iterator);
  }
}

/** Tells a body that nobody will read that it is not wanted. Never rejects. */
export function stopBody(body: ReplyBody): Promise<void> | undefined {
  if (body instanceof Uint8Array) return undefined;
  return stopIterator(body[Symbol.asyncIterator]());
}

async function stopIterator(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // it was told; its failure has no reader any more
  }
}

/** Destroys the connection unless what was handed over has left within the write timeout. */
export function watchFlush(exchange: NodeExchange): void {
  const { writeTimeoutMs } = exchange.limits;
  exchange.timer = setTimeout(() => {
    if (isQueued(exchange)) watchFlush(exchange);
    else exchange.outgoing.destroy();
  }, writeTimeoutMs);
}

function flushHead(exchange: NodeExchange): void {
  if (!exchange.begun && !exchange.gone) exchange.outgoing.flushHeaders();
}

function drained(exchange: NodeExchange): Promise<void> {
  if (exchange.wake === undefined) exchange.outgoing.on('drain', () => exchange.wake?.());
  watchFlush(exchange);
  return new Promise((resolve) => {
    exchange.wake = () => {
      clearTimeout(exchange.timer);
      resolve();
    };
  });
}

/** A pipelined response waits for the one before it, not for its caller. */
function isQueued({ incoming, outgoing, isHttp2 }: NodeExchange): boolean {
  return !isHttp2 && outgoing.socket === null && !incoming.socket.destroyed;
}

/** Resets the stream under a response of HTTP/2 (RFC 9113 §6.4). */
export function closeStream(outgoing: ServerResponse, code: number): void {
  (outgoing as unknown as { stream?: { close(code: number): void } }).stream?.close(code);
}

/** Ends a reply that is not whole so that the caller sees it is not. */
function breakOff({ outgoing, isHttp2 }: NodeExchange): void {
  if (isHttp2) {
    closeStream(outgoing, http2InternalError);
    return;
  }
  // without chunks only a reset tells a broken reply from a whole one
  if (!outgoing.chunkedEncoding && outgoing.socket !== null) outgoing.socket.resetAndDestroy();
  else outgoing.destroy();
}
