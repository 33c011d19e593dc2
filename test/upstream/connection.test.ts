import { createServer, Socket } from 'node:net';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import fc from 'fast-check';
import type { Egress, EgressRequest } from 'headgate';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAuthority } from '../../scripts/verify/faults/tls-fixture.ts';
import type { ChunkQueue } from '../../src/upstream/chunk-queue.ts';
import { onread, prepareConnection, readOptions } from '../../src/upstream/connection.ts';
import { joinSmall } from '../../src/upstream/join-writes.ts';
import { createUndiciEgress } from '../../src/upstream/undici-egress.ts';
import { toEgressRequest } from './egress-request.ts';

const dayMs = 86_400_000;
const now = Date.now();
const authority = createAuthority('connection.test', now);
setDefaultCACertificates([...getCACertificates('default'), authority.cert]);
const certificate = authority.issue('127.0.0.1', now - dayMs, now + dayMs);

type Answer = (path: string, socket: Socket) => void;

/** A server of raw sockets; requests without a body. */
async function start(scheme: string, answer: Answer): Promise<{ origin: string; egress: Egress }> {
  const open = new Set<Socket>();
  const serve = (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    let text = '';
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const path = text.split(' ')[1] ?? '';
        text = text.slice(end + 4);
        answer(path, socket);
      }
    });
  };
  const options = { noDelay: true };
  const server =
    scheme === 'https'
      ? createTlsServer({ ...options, ...certificate }, serve)
      : createServer(options, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const egress = createUndiciEgress();
  onTestFinished(async () => {
    await egress.close();
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { origin: `${scheme}://127.0.0.1:${(server.address() as { port: number }).port}`, egress };
}

/** No time limit decides, on a busy machine either. */
const toPatientRequest = (origin: string, more: Partial<EgressRequest> = {}) =>
  toEgressRequest(origin, {
    connectTimeoutMs: 60_000,
    headersTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    ...more,
  });

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Writes parts, each for itself; other connections have theirs written in between. */
async function writeParts(socket: Socket, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length]) {
    if (to > from) socket.write(bytes.subarray(from, to));
    from = to;
    await turn();
  }
}

function toReply(body: Buffer, isChunked: boolean): Buffer {
  const head = (framing: string) =>
    Buffer.from(`HTTP/1.1 200 OK\r\nx-mark: ${'m'.repeat(40)}\r\n${framing}\r\n\r\n`);
  if (!isChunked) return Buffer.concat([head(`content-length: ${body.length}`), body]);
  const chunks = Array.from({ length: Math.ceil(body.length / 300) }, (_, index) => {
    const chunk = body.subarray(index * 300, (index + 1) * 300);
    return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
  });
  return Buffer.concat([head('transfer-encoding: chunked'), ...chunks, Buffer.from('0\r\n\r\n')]);
}

/** Bytes that are nobody else's. */
const toBody = (name: string, length: number) =>
  Buffer.from(`${name}.`.repeat(Math.ceil(length / (name.length + 1)))).subarray(0, length);

describe.each(['http', 'https'])('connections over %s, which all read into the same memory', (scheme) => {
  it('keep their replies apart, however they are cut', async () => {
    const replies = new Map<string, { bytes: Buffer; cuts: readonly number[] }>();
    const { origin, egress } = await start(scheme, (path, socket) => {
      const { bytes, cuts } = replies.get(path) as { bytes: Buffer; cuts: readonly number[] };
      void writeParts(socket, bytes, cuts);
    });
    const reply = fc.record({
      length: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 3_000, max: 200_000 })),
      isChunked: fc.boolean(),
      cuts: fc.array(fc.oneof(fc.integer({ min: 1, max: 150 }), fc.nat()), { maxLength: 12 }),
      reads: fc.constantFrom('whole', 'chunks', 'slowly'),
    });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(reply, { minLength: 2, maxLength: 12 }), async (wanted) => {
        await Promise.all(
          wanted.map(async ({ length, isChunked, cuts, reads }) => {
            const path = `/${count++}`;
            const body = toBody(path, length);
            replies.set(path, { bytes: toReply(body, isChunked), cuts });
            const sent = await egress.send(toPatientRequest(origin, { path, maxConnections: 8 }));
            expect(sent.headers).toMatchObject({ 'x-mark': 'm'.repeat(40) });
            const come: Uint8Array[] = [];
            if (reads === 'whole') come.push((await sent.body.collect(1_000_000)).bytes);
            else
              for await (const chunk of sent.body) {
                come.push(chunk);
                for (let i = 0; reads === 'slowly' && i < 20; i++) await turn();
              }
            // only now: what has come must not have been written over meanwhile
            expect(Buffer.concat(come).equals(body)).toBe(true);
          }),
        );
        replies.clear();
      }),
      { numRuns: scheme === 'http' ? 60 : 25 },
    );
  });

  it('read no further than somebody wants', async () => {
    const piece = Buffer.alloc(50_000, 'x');
    const pieces = 800;
    let taken = 0;
    const { origin, egress } = await start(scheme, (_path, socket) => {
      const write = () => void (taken++ < pieces && socket.write(piece, write));
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${pieces * piece.length}\r\n\r\n`, write);
    });
    const { body } = await egress.send(toPatientRequest(origin));
    const chunks = body[Symbol.asyncIterator]();
    let come = (await chunks.next()).value?.length ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 300));
    // what the kernel keeps of both sockets is the most of it
    expect(taken).toBeLessThan(pieces / 2);
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) come += next.value.length;
    expect(come).toBe(pieces * piece.length);
  });

  it('are read on, however many have something to be read in one turn', async () => {
    const count = 70;
    const length = 300_000;
    const sockets: Socket[] = [];
    let begun = 0;
    const { origin, egress } = await start(scheme, (_path, socket) => {
      sockets.push(socket);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\nx`);
    });
    const ends = Array.from({ length: count }, async () => {
      const { body } = await egress.send(toPatientRequest(origin, { maxConnections: count }));
      return new Promise<number>((resolve, reject) => {
        let come = 0;
        const receiver = {
          chunk(bytes: Uint8Array) {
            if (come === 0) begun++;
            come += bytes.length;
            (body as ChunkQueue).read(receiver);
          },
          end: () => resolve(come),
          fail: reject,
        };
        (body as ChunkQueue).read(receiver);
      });
    });
    await vi.waitFor(() => expect(begun).toBe(count), 60_000);
    for (const socket of sockets) socket.write(Buffer.alloc(length - 1));
    expect(await Promise.all(ends)).toEqual(Array.from({ length: count }, () => length));
  });

  it('hand over what has come before they end', async () => {
    const { origin, egress } = await start(scheme, (path, socket) => {
      if (path === '/whole') socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
      else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all');
    });
    const whole = await egress.send(toPatientRequest(origin, { path: '/whole' }));
    expect(Buffer.from((await whole.body.collect(100)).bytes).toString()).toBe('until the end');
    const broken = await egress.send(toPatientRequest(origin, { path: '/broken' }));
    const chunks = broken.body[Symbol.asyncIterator]();
    expect(Buffer.from((await chunks.next()).value as Uint8Array).toString()).toBe('not all');
    await expect(chunks.next()).rejects.toThrow();
  });
});

it('what is read comes behind what waits', () => {
  const socket = new Socket();
  prepareConnection(socket);
  const read: string[] = [];
  socket.on('readable', () => {
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) read.push(String(chunk));
  });
  const arrive = (text: string) =>
    onread.callback.call(socket as never, onread.buffer.write(text)) && onread.buffer.fill('?');
  socket.push('first');
  arrive('second');
  expect(read).toEqual([]);
  socket.emit('readable');
  arrive('third');
  expect(read).toEqual(['firstsecond', 'third']);
  socket.destroy();
});

it('Node reads into that memory', async () => {
  expect(readOptions).toEqual({ onread });
  onread.buffer.fill('?');
  const { origin, egress } = await start('http', (_path, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
  });
  await (await egress.send(toPatientRequest(origin))).body.collect(10);
  expect(onread.buffer.toString('latin1', 0, 15)).toBe('HTTP/1.1 200 OK');
});

it('what is read is there still when a listener has thrown', () => {
  const socket = new Socket();
  prepareConnection(socket);
  socket.once('readable', () => {
    throw new Error('of a listener');
  });
  expect(() => onread.callback.call(socket as never, onread.buffer.write('text'))).toThrow('of a listener');
  expect(String(socket.read())).toBe('text');
  socket.destroy();
});

it('what was joined stays as it was, however much is joined after it', () => {
  const toParts = (index: number) => [`head ${index} `, Buffer.from(`body ${index}`.repeat(100))] as const;
  const joined = Array.from({ length: 300 }, (_, index) => {
    const [head, body] = toParts(index);
    return joinSmall([
      { chunk: head, encoding: 'latin1' },
      { chunk: body, encoding: 'latin1' },
    ]);
  });
  for (const [index, bytes] of joined.entries()) {
    expect(Buffer.from(bytes ?? []).toString()).toBe(toParts(index).join(''));
  }
});
