import type { Socket } from 'node:net';

/** The head of a request as it stood on the wire. */
export interface RequestHead {
  readonly method: string;
  /** Path with query. */
  readonly target: string;
  /** By lower-case name; the last of a repeated one. */
  readonly headers: ReadonlyMap<string, string>;
  /** As it came. */
  readonly raw: string;
}

/** A request that is read off a connection. */
export interface ReadRequest {
  readonly head: RequestHead;
  readonly body: Buffer;
}

const maxHeadBytes = 262_144;

/**
 * Reads the requests of one connection, one after the other, by `content-length` alone: the gateway sends whole bodies.
 * `onHead` is told as soon as a head is whole, `onRequest` when its body is.
 */
export function readRequests(
  socket: Socket,
  onHead: (head: RequestHead) => void,
  onRequest: (request: ReadRequest) => void,
): void {
  let pending: Buffer = Buffer.alloc(0);
  let head: RequestHead | undefined;
  socket.on('data', (chunk: Buffer) => {
    // the beginning of a TLS handshake: what servers of plain HTTP say to it
    if (chunk[0] === 0x16 && pending.length === 0) {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
      return;
    }
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (!head) {
        const end = pending.indexOf('\r\n\r\n');
        if (end < 0) {
          if (pending.length > maxHeadBytes) socket.destroy();
          return;
        }
        head = toHead(pending.toString('latin1', 0, end));
        pending = pending.subarray(end + 4);
        onHead(head);
      }
      const length = Number(head.headers.get('content-length') ?? 0);
      if (pending.length < length) return;
      const request = { head, body: Buffer.from(pending.subarray(0, length)) };
      pending = pending.subarray(length);
      head = undefined;
      onRequest(request);
    }
  });
}

function toHead(raw: string): RequestHead {
  const [first = '', ...lines] = raw.split('\r\n');
  const [method = '', target = ''] = first.split(' ');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { method, target, headers, raw };
}
