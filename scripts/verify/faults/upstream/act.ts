import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { FaultUpstreamOptions, SeenRequest } from './fault-upstream.ts';
import type { CutHow, Fault } from './faults.ts';
import { falsifyUsage, toOddFormat } from './rewrite.ts';
import type { Tape } from './tape.ts';

/** One request that waits for its answer. */
export interface Exchange extends FaultUpstreamOptions {
  readonly socket: Socket;
  readonly request: SeenRequest;
  readonly isStream: boolean;
  readonly tape: Tape;
}

// long enough for a reader on loopback to have read what a reset would throw away
const resetGraceMs = 20;
const arrivalMs = 20;
const pieceBytes = 65_536;

/** Answers one request with a fault. Resolves when the reply is over; rejects when the connection is gone before. */
export async function act(exchange: Exchange, fault: Fault): Promise<void> {
  const { socket, tape, isStream } = exchange;
  switch (fault.do) {
    case 'answer':
      return sendWhole(exchange, tape.body, {});
    case 'hang-up':
      if (fault.when !== 'request') return;
      if (fault.afterMs) await setTimeout(fault.afterMs);
      return close(socket, fault.how);
    case 'stall':
      if (fault.after >= 0) await sendHead(exchange, lengthOf(exchange), {});
      if (fault.after >= 0) await sendPieces(exchange, upTo(exchange, fault.after));
      return untilClosed(socket);
    case 'delay':
      await setTimeout(fault.ms);
      return sendWhole(exchange, tape.body, {});
    case 'slow':
      return sendSlowly(exchange, fault.bytes, fault.everyMs);
    case 'cut':
      return cut(exchange, fault.how, fault.after);
    case 'error-event': {
      const text = exchange.toErrorEvent(fault.status ?? 503);
      return sendParts(exchange, upTo(exchange, fault.after), [Buffer.from(text)]);
    }
    case 'malformed': {
      const before = upTo(exchange, fault.after);
      const rest = tape.events.slice(before.length);
      return sendParts(exchange, before, [Buffer.from('data: {"broken": tru\n\n'), ...rest]);
    }
    case 'giant-line':
      return sendParts(exchange, upTo(exchange, fault.after), giantLine(fault.bytes));
    case 'tiny-lines':
      return sendParts(exchange, upTo(exchange, fault.after), tinyLines(fault.count));
    case 'odd-format':
      return sendParts(exchange, [], toOddFormat(tape.events, fault.how));
    case 'split':
      return sendParts(exchange, [], toBytes(tape.body), true);
    case 'huge-json':
      return sendHugeJson(exchange, fault.bytes, fault.length === 'told');
    case 'encoded': {
      const { body, header } = encode(tape.body, fault.encoding, fault.layers ?? 1, fault.inflatedBytes ?? 0);
      return sendWhole(exchange, body, { 'content-encoding': header });
    }
    case 'status':
      return sendStatus(exchange, fault);
    case 'usage': {
      const parts = isStream
        ? tape.events.map((event) => falsifyUsage(event, fault.how))
        : [falsifyUsage(tape.body, fault.how)];
      return sendParts(exchange, [], parts);
    }
    case 'raw':
      await write(exchange, Buffer.from(fault.text, 'latin1'));
      socket.end();
      return;
    case 'informational':
      await sendInformational(exchange, fault.count);
      return sendWhole(exchange, tape.body, {});
    case 'huge-head': {
      const names = Array.from(
        { length: Math.ceil(fault.bytes / 1_000) },
        (_, index) => `x-padding-${index}`,
      );
      return sendWhole(exchange, tape.body, Object.fromEntries(names.map((name) => [name, 'x'.repeat(985)])));
    }
    case 'poison':
      await sendWhole(exchange, tape.body, {});
      await setImmediate();
      await write(exchange, Buffer.from(poison));
      return;
  }
}

const poison =
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"poison":"response"}';

async function write({ socket, request }: Exchange, bytes: Buffer): Promise<void> {
  if (socket.destroyed) throw new Error('The connection is gone.');
  request.sentBytes += bytes.length;
  if (socket.write(bytes)) return;
  const gone = new AbortController();
  const leave = () => gone.abort();
  socket.once('close', leave);
  try {
    await once(socket, 'drain', { signal: gone.signal });
  } finally {
    socket.off('close', leave);
  }
}

async function sendHead(
  exchange: Exchange,
  length: number | undefined,
  headers: Readonly<Record<string, string>>,
  status = 200,
): Promise<void> {
  const fields = {
    'content-type': exchange.tape.contentType,
    'x-request-id': 'req_upstream',
    ...headers,
    ...(length === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(length) }),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  await write(exchange, Buffer.from(`HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n`, 'latin1'));
}

async function sendWhole(
  exchange: Exchange,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  if (exchange.isStream && body === exchange.tape.body) {
    await sendHead(exchange, undefined, headers);
    await sendPieces(exchange, exchange.tape.events);
    return write(exchange, Buffer.from('0\r\n\r\n'));
  }
  await sendHead(exchange, body.length, headers);
  await write(exchange, body);
}

/** Pieces of a chunked body; of one with a length as they are. */
async function sendPieces(exchange: Exchange, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) {
    await write(exchange, exchange.isStream ? toChunk(piece) : piece);
    if (exchange.isStream) await setImmediate();
  }
}

/** What comes before a fault has time to reach the caller, so that it is a fault behind it. */
async function sendParts(
  exchange: Exchange,
  before: readonly Buffer[],
  parts: Iterable<Buffer>,
  isApart = false,
): Promise<void> {
  await sendHead(exchange, undefined, {});
  await sendPieces(exchange, before);
  if (before.length > 0) await setTimeout(arrivalMs);
  for (const part of parts) {
    if (part.length === 0) continue;
    await write(exchange, toChunk(part));
    if (isApart) await setImmediate();
  }
  await write(exchange, Buffer.from('0\r\n\r\n'));
}

function toChunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** What comes before the content behind `after`; of a reply that is not streamed half. */
function upTo({ tape, isStream }: Exchange, after: number): readonly Buffer[] {
  if (!isStream) return [tape.body.subarray(0, Math.ceil(tape.body.length / 2))];
  let content = 0;
  const end = tape.events.findIndex((_, index) => {
    if (!tape.isContent[index]) return false;
    content++;
    return content > after;
  });
  return tape.events.slice(0, end < 0 ? undefined : end);
}

function lengthOf({ tape, isStream }: Exchange): number | undefined {
  return isStream ? undefined : tape.body.length;
}

async function close(socket: Socket, how: 'fin' | 'reset'): Promise<void> {
  if (how === 'fin') {
    socket.end();
    return;
  }
  await setTimeout(resetGraceMs);
  socket.resetAndDestroy();
}

function untilClosed(socket: Socket): Promise<never> {
  return new Promise((_, reject) => {
    if (socket.destroyed) reject(new Error('The connection is gone.'));
    else socket.once('close', () => reject(new Error('The connection is gone.')));
  });
}

async function sendSlowly(exchange: Exchange, bytes: number, everyMs: number): Promise<void> {
  const { tape, socket } = exchange;
  await sendHead(exchange, lengthOf(exchange), {});
  for (let start = 0; start < tape.body.length; start += bytes) {
    await sendPieces(exchange, [tape.body.subarray(start, start + bytes)]);
    await setTimeout(everyMs);
    if (socket.destroyed) throw new Error('The connection is gone.');
  }
  if (exchange.isStream) await write(exchange, Buffer.from('0\r\n\r\n'));
}

async function cut(exchange: Exchange, how: CutHow, after: number): Promise<void> {
  const { socket, isStream } = exchange;
  if (how === 'close') {
    await write(
      exchange,
      Buffer.from(
        `HTTP/1.1 200 OK\r\ncontent-type: ${exchange.tape.contentType}\r\nconnection: close\r\n\r\n`,
      ),
    );
    for (const piece of upTo(exchange, after)) await write(exchange, piece);
    await setTimeout(arrivalMs);
    socket.end();
    return;
  }
  const pieces = upTo(exchange, after);
  // a clean end of a reply that is not streamed is a length that fits the part
  const length = isStream ? undefined : how === 'clean' ? (pieces[0]?.length ?? 0) : lengthOf(exchange);
  await sendHead(exchange, length, {});
  await sendPieces(exchange, pieces);
  await setTimeout(arrivalMs);
  if (how === 'clean') {
    if (isStream) await write(exchange, Buffer.from('0\r\n\r\n'));
    return;
  }
  if (how === 'fin-in-chunk') await write(exchange, Buffer.from('400\r\ndata: {"half'));
  await close(socket, how === 'reset' ? 'reset' : 'fin');
}

function* giantLine(bytes: number): Generator<Buffer> {
  yield Buffer.from('data: ');
  const piece = Buffer.alloc(Math.min(pieceBytes, bytes), 'x');
  for (let left = bytes; left > 0; left -= piece.length) yield piece;
}

function* tinyLines(count: number): Generator<Buffer> {
  const line = 'data: x\n';
  const each = pieceBytes / line.length;
  const piece = Buffer.from(line.repeat(Math.min(each, count)));
  for (let left = count; left > 0; left -= each) yield piece;
}

function* toBytes(body: Buffer): Generator<Buffer> {
  for (let index = 0; index < body.length; index++) yield body.subarray(index, index + 1);
}

async function sendHugeJson(exchange: Exchange, bytes: number, isTold: boolean): Promise<void> {
  const text = exchange.tape.body.toString().trimEnd();
  const start = Buffer.from(`${text.slice(0, -1)},"padding":"`);
  const end = Buffer.from('"}');
  await sendHead(exchange, isTold ? start.length + bytes + end.length : undefined, {});
  const send = (piece: Buffer) => write(exchange, isTold ? piece : toChunk(piece));
  await send(start);
  const piece = Buffer.alloc(pieceBytes, 'x');
  for (let left = bytes; left > 0; left -= piece.length)
    await send(piece.subarray(0, Math.min(left, pieceBytes)));
  await send(end);
  if (!isTold) await write(exchange, Buffer.from('0\r\n\r\n'));
}

async function sendStatus(exchange: Exchange, fault: Extract<Fault, { do: 'status' }>): Promise<void> {
  const { body: kind = 'provider', status, headers = {} } = fault;
  const [type, text] =
    kind === 'html'
      ? ['text/html', '<html><body><h1>Bad gateway</h1> nginx at 10.1.2.3</body></html>']
      : kind === 'empty'
        ? ['text/plain', '']
        : ['application/json', exchange.toError(status, kind === 'provider' ? 'usual' : kind)];
  const body = Buffer.from(text);
  await sendHead(exchange, body.length, { 'content-type': type, ...headers }, status);
  await write(exchange, body);
}

async function sendInformational(exchange: Exchange, count: number): Promise<void> {
  const each = Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n');
  for (let index = 0; index < count; index++) await write(exchange, each);
}

function encode(plain: Buffer, encoding: 'gzip' | 'br', layers: number, inflatedBytes: number) {
  let body = inflatedBytes > 0 ? Buffer.concat([plain, Buffer.alloc(inflatedBytes, ' ')]) : plain;
  // what is encoded a thousand times is claimed to be, and is encoded once
  for (let layer = 0; layer < Math.min(layers, 3); layer++) {
    body = encoding === 'gzip' ? gzipSync(body) : brotliCompressSync(body);
  }
  return { body, header: Array.from({ length: layers }, () => encoding).join(', ') };
}
