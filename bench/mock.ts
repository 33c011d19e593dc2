/**
 * The upstream as a process of its own, on raw sockets so that it never limits a subject.
 *
 *   POST /json1k/…   a chat completion of 1 kB
 *   POST /sse200/…   200 deltas at once, each an HTTP chunk, 20 to a write
 *   POST /paced/…    a delta at once and another every `PACE_MS`, until `GET /finish` is requested
 *
 * Sends `{ port }` to its parent when it listens.
 */
import { createServer } from 'node:net';
import { createMessageReader } from './http-reader.ts';
import { createPacer } from './pacer.ts';
import { toSmallReply, toStreamEvents } from './payloads.ts';

const json = toSmallReply();
const jsonReply = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`,
);
const streamHead = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n',
);
/**
 * With a write for each delta, the upstream's system calls would limit every subject, and the network would join the
 * deltas again anyway: a busy proxy finds many in one read.
 */
const deltasPerWrite = 20;
const streamEvents = toStreamEvents();
const streamWrites = Array.from({ length: Math.ceil(streamEvents.length / deltasPerWrite) }, (_, index) => {
  const events = streamEvents.slice(index * deltasPerWrite, (index + 1) * deltasPerWrite);
  return Buffer.from(events.map(toChunk).join(''));
});
const lastChunk = Buffer.from('0\r\n\r\n');
const pacer = createPacer(Number(process.env.PACE_MS ?? '1000'));

function toChunk(event: string): string {
  return `${event.length.toString(16)}\r\n${event}\r\n`;
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  const read = createMessageReader((firstLine) => {
    const path = firstLine.split(' ')[1] ?? '';
    if (path.startsWith('/json1k')) {
      socket.write(jsonReply);
    } else if (path.startsWith('/sse200')) {
      socket.write(streamHead);
      for (const chunks of streamWrites) socket.write(chunks);
      socket.write(lastChunk);
    } else if (path.startsWith('/paced')) {
      socket.write(streamHead);
      const leave = pacer.join({
        send: (event) => void socket.write(toChunk(event)),
        end: () => void socket.write(lastChunk),
      });
      socket.once('close', leave);
    } else if (path.startsWith('/finish')) {
      pacer.finish();
      socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    } else {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    }
  });
  socket.on('data', read);
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address();
  if (address && typeof address === 'object') process.send?.({ port: address.port });
});
process.on('disconnect', () => process.exit(0));
