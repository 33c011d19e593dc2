import type { NodeExchange } from './node-exchange.ts';
import { closeStream, watchFlush } from './node-pump.ts';

/**
 * Ends the response. If the caller is still sending a body that was refused, the rest is read and discarded,
 * within bounds: closing a connection with unread input makes the kernel send a reset, which can overtake the
 * reply (RFC 9112 §9.6), and an HTTP/2 stream with unread input never finishes.
 */
export function endAfterRest(exchange: NodeExchange, bytes: Uint8Array | undefined): void {
  const { incoming, outgoing, isHttp2 } = exchange;
  if (exchange.reusable || (incoming.complete && !isHttp2)) {
    end(exchange, bytes);
    return;
  }
  // ending an HTTP/1.1 response closes its connection, so that comes last; its length is known
  if (isHttp2) end(exchange, bytes);
  else if (bytes === undefined || bytes.length === 0) outgoing.flushHeaders();
  else outgoing.write(bytes);
  discardRest(exchange, () => {
    if (!isHttp2) end(exchange, undefined);
    else if (!incoming.readableEnded) closeStream(outgoing, 0);
  });
}

const smallBytes = 16_384;

function toLatin1(bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = bytes;
  // nearly always it is one
  const whole = Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, byteLength);
  return whole.toString('latin1');
}

function end(exchange: NodeExchange, bytes: Uint8Array | undefined): void {
  const { outgoing } = exchange;
  if (bytes !== undefined && bytes.length <= smallBytes && !exchange.isHttp2) {
    // As latin1, where every byte is one character, Node joins head and body into one write; two buffers are a
    // `writev`, which costs half as much again as the whole of a small reply.
    outgoing.end(toLatin1(bytes), 'latin1');
  } else {
    outgoing.end(bytes);
  }
  if (exchange.outgoing.writableLength > 0) watchFlush(exchange);
}

/** Reads and discards until the request ends, a bound is reached or the caller leaves. */
function discardRest(exchange: NodeExchange, then: () => void): void {
  const { incoming, limits } = exchange;
  let left = limits.maxDiscardBytes;
  const stop = () => {
    clearTimeout(timer);
    exchange.onGone = undefined;
    incoming.off('data', onData);
    incoming.off('end', stop);
    incoming.off('close', stop);
    then();
  };
  const onData = (chunk: Uint8Array) => {
    left -= chunk.length;
    if (left >= 0) return;
    incoming.pause();
    stop();
  };
  const timer = setTimeout(stop, limits.discardTimeoutMs);
  exchange.onGone = stop;
  incoming.on('data', onData);
  incoming.on('end', stop);
  incoming.on('close', stop);
  incoming.resume();
}
