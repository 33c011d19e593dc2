import type { Socket } from 'node:net';
import { joinSmall, type WaitingWrite } from './join-writes.ts';
import { noteStale } from './stale-connection.ts';

type Done = (error?: Error | null) => void;

interface Connection extends Socket {
  /** Its `bytesRead` at the last write. */
  readBefore: number;
  /** What has just been read, until somebody takes it. */
  arrived: Buffer | undefined;
  _writev(chunks: WaitingWrite[], done: Done): void;
}

const listeners = new WeakMap<object, () => void>();

/**
 * Calls `listener` when the connection that sends the bytes no longer reads their memory: the kernel has them, or the
 * connection broke.
 *
 * @returns the same memory, to be written as it is
 */
export function tellWhenWritten(bytes: Uint8Array, listener: () => void): Uint8Array {
  // not the given array, which may be sent more than once
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  listeners.set(chunk, listener);
  return chunk;
}

/**
 * All connections read into the same memory: what one has read is copied, and handled, before another one reads. By
 * default Node takes 64 KiB of new memory for each read, and two turns of its stream machinery before anybody sees it.
 */
export const onread = {
  buffer: Buffer.allocUnsafeSlow(65_536),

  /** @returns whether more is wanted */
  callback(this: Connection, length: number): boolean {
    // not from Node's pool: a kept chunk would keep others alive, and its memory may be given away
    const bytes = Buffer.allocUnsafeSlow(length);
    onread.buffer.copy(bytes, 0, 0, length);
    // not ahead of what is buffered because it was not wanted yet
    if (this.readableLength > 0) return this.push(bytes);
    this.arrived = bytes;
    let isMoreWanted = true;
    try {
      this.emit('readable');
    } finally {
      if (this.arrived !== undefined) {
        this.arrived = undefined;
        isMoreWanted = this.push(bytes);
      }
    }
    return isMoreWanted;
  },
};

/** For `net.connect` and `tls.connect`. Other runtimes with Node's modules may call back without filling the memory. */
export const readOptions = globalThis.navigator?.userAgent.startsWith('Node.js/') ? { onread } : undefined;

/**
 * Makes a connection write small requests in one go, hand over at once what it reads (`onread`), and mark the error
 * when it ends because it was stale.
 */
export function prepareConnection(socket: Socket): void {
  Object.assign(socket, methods);
}

// shared by all connections: closures would take half a kilobyte for each
const methods = {
  readBefore: 0,
  arrived: undefined,

  read(this: Connection, size?: number): unknown {
    const { arrived } = this;
    if (arrived === undefined || size !== undefined) return inherited(this).read.call(this, size);
    this.arrived = undefined;
    return arrived;
  },

  _write(this: Connection, chunk: unknown, encoding: BufferEncoding, done: Done): void {
    this.readBefore = this.bytesRead;
    inherited(this)._write.call(this, chunk, encoding, telling(chunk, done));
  },

  _writev(this: Connection, chunks: WaitingWrite[], done: Done): void {
    const joined = joinSmall(chunks);
    if (joined !== undefined) {
      this._write(joined, 'buffer' as BufferEncoding, done);
      return;
    }
    this.readBefore = this.bytesRead;
    inherited(this)._writev.call(this, chunks, telling(chunks.at(-1)?.chunk, done));
  },

  _destroy(this: Connection, error: Error | null, done: Done): void {
    if (error && this.readBefore > 0 && this.bytesRead === this.readBefore) noteStale(error);
    inherited(this)._destroy.call(this, error, done);
  },
};

/** @returns `done`, which also tells whoever waits for the chunk */
function telling(chunk: unknown, done: Done): Done {
  const listener = typeof chunk === 'object' ? listeners.get(chunk as object) : undefined;
  if (listener === undefined) return done;
  return (error) => {
    // after whoever still looks at what was written
    queueMicrotask(listener);
    done(error);
  };
}

/** What Node does itself, for TCP and TLS alike. */
function inherited(connection: Connection): Connection {
  return Object.getPrototypeOf(connection);
}
