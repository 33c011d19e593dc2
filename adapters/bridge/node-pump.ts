import { OutgoingMessage, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { type ChunkReceiver, isPulledBody, type PulledBody, type ReplyBody } from 'headgate';
import type { NodeExchange } from './node-exchange.ts';

const http2InternalError = 2;

/** Writes a body chunk by chunk, each one pulled when the caller can take it; calls `settle` at its end. */
export function pump(exchange: NodeExchange, body: AsyncIterable<Uint8Array>, settle: () => void): void {
  new Pump(exchange, body[Symbol.asyncIterator](), settle).begin();
}

/** One object per reply in flight, which itself waits for the next chunk: thousands of replies may wait. */
class Pump implements ChunkReceiver {
  readonly #exchange: NodeExchange;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #settle: () => void;

  constructor(exchange: NodeExchange, source: AsyncIterator<Uint8Array>, settle: () => void) {
    this.#exchange = exchange;
    this.#source = source;
    this.#settle = settle;
  }

  begin(): void {
    this.#exchange.onGone = () => {
      this.#exchange.wake?.();
      void stopIterator(this.#source);
      this.#settle();
    };
    this.#pull();
    // the head is sent with the first chunk if that is there already, and alone if it is not by the end of the turn
    if (hasHead(this.#exchange)) setImmediate(flushHead, this.#exchange);
  }

  #pull(): void {
    try {
      if (isPulledBody(this.#source)) {
        this.#source.read(this);
        return;
      }
      this.#source.next().then(
        ({ done, value }) => (done === true ? this.end() : this.chunk(value)),
        () => this.fail(),
      );
    } catch {
      this.fail();
    }
  }

  chunk(bytes: Uint8Array): void {
    this.#write(bytes);
  }

  text(latin1: string): void {
    this.#write(latin1);
  }

  #write(part: Uint8Array | string): void {
    const exchange = this.#exchange;
    if (exchange.gone) return;
    try {
      exchange.begun = true;
      const written = typeof part === 'string' ? undefined : this.#borrow(part);
      if (exchange.outgoing.write(part, 'latin1', written)) this.#pull();
      else whenDrained(exchange, () => this.#pull());
    } catch {
      this.fail();
    }
  }

  /** What to call when a chunk has been written; undefined if somebody else may keep it. */
  #borrow(bytes: Uint8Array): (() => void) | undefined {
    // most chunks are small and not lent: the connection is checked only for those that are
    const giveBack = (this.#source as Partial<PulledBody>).lend?.(bytes);
    return giveBack && !isWatched(this.#exchange) ? giveBack : undefined;
  }

  end(): void {
    const exchange = this.#exchange;
    if (exchange.gone) return;
    const { outgoing } = exchange;
    try {
      exchange.onGone = undefined;
      outgoing.end();
      if (outgoing.writableLength > 0) watchFlush(exchange);
      this.#settle();
    } catch {
      this.fail();
    }
  }

  fail(): void {
    const exchange = this.#exchange;
    if (exchange.gone) return;
    exchange.onGone = undefined;
    breakOff(exchange);
    void stopIterator(this.#source);
    this.#settle();
  }
}

/** Tells a body that nobody will read it. Never rejects. */
export function stopBody(body: ReplyBody): Promise<void> | undefined {
  if (body instanceof Uint8Array) return undefined;
  return stopIterator(body[Symbol.asyncIterator]());
}

async function stopIterator(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // it was told; nobody is left to see its failure
  }
}

/** Destroys the connection unless what was handed over is sent within the write timeout. */
export function watchFlush(exchange: NodeExchange): void {
  const { writeTimeoutMs } = exchange.limits;
  exchange.timer = setTimeout(() => {
    if (isQueued(exchange)) watchFlush(exchange);
    else exchange.outgoing.destroy();
  }, writeTimeoutMs);
}

/**
 * Whether there is a whole head to send. Node keeps it for as long as the response lasts, as the tree of fifty strings
 * it was concatenated from: 2 KB for each waiting stream. Checking its end makes V8 flatten them into one string.
 */
function hasHead({ outgoing }: NodeExchange): boolean {
  const head: unknown = (outgoing as { _header?: unknown })._header;
  return typeof head !== 'string' || head.endsWith('\r\n\r\n');
}

function flushHead({ begun, gone, outgoing }: NodeExchange): void {
  if (!begun && !gone && !outgoing.writableEnded) outgoing.flushHeaders();
}

function whenDrained(exchange: NodeExchange, go: () => void): void {
  if (exchange.wake === undefined) exchange.outgoing.on('drain', () => exchange.wake?.());
  watchFlush(exchange);
  exchange.wake = () => {
    clearTimeout(exchange.timer);
    if (!exchange.gone) go();
  };
}

/** Whether somebody may keep what is written: Node's HTTP/2, a `write` that is not Node's, a non-kernel connection. */
function isWatched({ outgoing, isHttp2 }: NodeExchange): boolean {
  return (
    isHttp2 || outgoing.write !== OutgoingMessage.prototype.write || !(outgoing.socket instanceof Socket)
  );
}

/** A pipelined response waits for the one before it, not for its caller. */
function isQueued({ incoming, outgoing, isHttp2 }: NodeExchange): boolean {
  return !isHttp2 && outgoing.socket === null && !incoming.socket.destroyed;
}

/** Resets the stream under an HTTP/2 response (RFC 9113 §6.4). */
export function closeStream(outgoing: ServerResponse, code: number): void {
  (outgoing as unknown as { stream?: { close(code: number): void } }).stream?.close(code);
}

/** Ends an incomplete reply so that the caller sees that it is. */
function breakOff({ outgoing, isHttp2 }: NodeExchange): void {
  if (isHttp2) {
    closeStream(outgoing, http2InternalError);
    return;
  }
  // unless chunked, only a reset tells a broken reply from a whole one, and only plain TCP has it: not TLS or a path
  if (!outgoing.chunkedEncoding && isTcp(outgoing.socket)) outgoing.socket.resetAndDestroy();
  else outgoing.destroy();
}

function isTcp(socket: Socket | null): socket is Socket {
  return socket?.remoteAddress !== undefined && !(socket as { encrypted?: boolean }).encrypted;
}
