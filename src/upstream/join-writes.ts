import type { Socket } from 'node:net';

/** More is not worth a copy. */
const maxJoinedBytes = 16_384;

/** What Node keeps of a write that waits. */
interface Waiting {
  readonly chunk: Uint8Array | string;
  readonly encoding: BufferEncoding;
}

type WriteVector = (chunks: Waiting[], done: (error?: Error | null) => void) => void;

/**
 * Lets a head and a small body that were written together leave as one string of latin1, in which every byte is one
 * character. Handed to the kernel as two buffers they cost a tenth of all that a small request costs on its way out.
 */
export function joinSmallWrites(socket: Socket): void {
  const writable = socket as Socket & { _writev?: WriteVector };
  const writeVector = writable._writev;
  if (writeVector === undefined) return;
  writable._writev = (chunks, done) => {
    const joined = chunks.length === 2 ? join(chunks[0] as Waiting, chunks[1] as Waiting) : undefined;
    if (joined === undefined) writeVector.call(socket, chunks, done);
    else socket._write(joined, 'latin1', done);
  };
}

function join(head: Waiting, body: Waiting): string | undefined {
  if (typeof head.chunk !== 'string' || head.encoding !== 'latin1') return undefined;
  if (!Buffer.isBuffer(body.chunk) || body.chunk.length > maxJoinedBytes) return undefined;
  return head.chunk + body.chunk.toString('latin1');
}
