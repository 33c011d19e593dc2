/** More is not worth a copy. */
const maxJoinedBytes = 16_384;

/** What Node keeps of a write that waits. */
export interface WaitingWrite {
  readonly chunk: Uint8Array | string;
  readonly encoding: BufferEncoding;
}

/**
 * A head and a small body that were written together, as one string of latin1, in which every byte is one character; undefined
 * for anything else. Handed to the kernel as two buffers they cost a tenth of all that a small request costs on its way out.
 */
export function joinSmall(chunks: readonly WaitingWrite[]): string | undefined {
  if (chunks.length !== 2) return undefined;
  const [head, body] = chunks as [WaitingWrite, WaitingWrite];
  if (typeof head.chunk !== 'string' || head.encoding !== 'latin1') return undefined;
  if (!Buffer.isBuffer(body.chunk) || body.chunk.length > maxJoinedBytes) return undefined;
  return head.chunk + body.chunk.toString('latin1');
}
