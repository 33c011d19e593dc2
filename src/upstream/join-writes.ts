/** A larger body is not worth a copy. */
const maxJoinedBytes = 16_384;

/** What Node keeps of a pending write. */
export interface WaitingWrite {
  readonly chunk: Uint8Array | string;
  readonly encoding: BufferEncoding;
}

const slabBytes = 65_536;
let slab = Buffer.allocUnsafeSlow(slabBytes);
let used = 0;

/**
 * A head and a small body that were written together, as one array; undefined for anything else. Handed to the kernel
 * as two, they cost a tenth of all that a small request costs on its way out.
 *
 * @returns a slice of memory that many requests share; no slice is used twice
 */
export function joinSmall(chunks: readonly WaitingWrite[]): Uint8Array | undefined {
  if (chunks.length !== 2) return undefined;
  const [head, body] = chunks as [WaitingWrite, WaitingWrite];
  if (typeof head.chunk !== 'string' || head.encoding !== 'latin1') return undefined;
  if (typeof body.chunk === 'string' || body.chunk.length > maxJoinedBytes) return undefined;
  // a character of latin1 is a byte
  const length = head.chunk.length + body.chunk.length;
  if (length > slabBytes) return undefined;
  if (used + length > slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  const joined = slab.subarray(used, used + length);
  joined.write(head.chunk, 'latin1');
  joined.set(body.chunk, head.chunk.length);
  used += length;
  return joined;
}
