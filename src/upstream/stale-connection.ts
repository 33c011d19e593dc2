import type { Socket } from 'node:net';

/** What Node writes with: `_write(chunk, encoding, done)` or `_writev(chunks, done)`. */
type Write = (what: unknown, then: unknown, done?: unknown) => void;

/** Errors of connections that had served before, and ended as they were written to again. */
const stale = new WeakSet<object>();

/**
 * Whether a connection ended that had served before, and of the reply to what was written last nothing had come: it had
 * been idle for too long, and the server closed it as we wrote.
 */
export function isStaleConnection(error: unknown): boolean {
  return typeof error === 'object' && error !== null && stale.has(error);
}

/** Lets `isStaleConnection` know the errors of a connection; must be called before anything is written to it. */
export function noteReuse(socket: Socket): void {
  const writable = socket as unknown as Record<'_write' | '_writev', Write | undefined>;
  let readBefore = 0;
  for (const name of ['_write', '_writev'] as const) {
    const write = writable[name];
    if (write === undefined) continue;
    writable[name] = (what, then, done) => {
      readBefore = socket.bytesRead;
      write.call(socket, what, then, done);
    };
  }
  socket.on('error', (error) => {
    if (readBefore > 0 && socket.bytesRead === readBefore) stale.add(error);
  });
}
