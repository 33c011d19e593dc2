import type { Socket } from 'node:net';
import { joinSmall, type WaitingWrite } from './join-writes.ts';
import { noteStale } from './stale-connection.ts';

type Done = (error?: Error | null) => void;

interface Connection extends Socket {
  /** What had been read of it when it was last written to. */
  readBefore: number;
  _writev(chunks: WaitingWrite[], done: Done): void;
}

/** Has a connection write small requests in one go, and tell when it ends because it had grown stale. */
export function prepareConnection(socket: Socket): void {
  Object.assign(socket, methods);
}

// the same for all connections: as closures they would be half a kilobyte for each
const methods = {
  readBefore: 0,

  _write(this: Connection, chunk: unknown, encoding: BufferEncoding, done: Done): void {
    this.readBefore = this.bytesRead;
    inherited(this)._write.call(this, chunk, encoding, done);
  },

  _writev(this: Connection, chunks: WaitingWrite[], done: Done): void {
    const joined = joinSmall(chunks);
    if (joined !== undefined) {
      this._write(joined, 'latin1', done);
      return;
    }
    this.readBefore = this.bytesRead;
    inherited(this)._writev.call(this, chunks, done);
  },

  _destroy(this: Connection, error: Error | null, done: Done): void {
    if (error && this.readBefore > 0 && this.bytesRead === this.readBefore) noteStale(error);
    inherited(this)._destroy.call(this, error, done);
  },
};

/** What Node does itself, for TCP and TLS alike. */
function inherited(connection: Connection): Connection {
  return Object.getPrototypeOf(connection);
}
