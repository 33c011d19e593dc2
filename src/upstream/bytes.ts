/** Of less memory it is not worth the trouble to give it back. */
const leastLent = 16_384;

/** The large ones that `concatBytes` has made, and nobody has lent. */
const made = new WeakSet<Uint8Array>();

/** One array out of several; none and one cost no copy. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  // not zeroed first: all of it is written
  const bytes = copyTo(new Uint8Array(Buffer.allocUnsafeSlow(length).buffer), chunks);
  if (length >= leastLent) made.add(bytes);
  return bytes;
}

/**
 * Lends a large array that `concatBytes` has made, to who is the last to look at it.
 *
 * @returns gives its memory back at once: V8 counts it as memory outside of its heap, of which that of some hundred streams brings
 * about a full collection
 */
export function lendBytes(bytes: Uint8Array): (() => void) | undefined {
  if (bytes.length < leastLent || !made.delete(bytes)) return undefined;
  return () => {
    try {
      (bytes.buffer as ArrayBuffer).transfer(0);
    } catch {
      // detached by somebody else
    }
  };
}

const scratch = new Uint8Array(131_072);
const scratchText = toBuffer(scratch);

/** Chunks as one text of latin1. They are joined in memory that is there already: an array of their own would be garbage at once. */
export function latin1Of(chunks: readonly Uint8Array[], length: number): string {
  if (length > scratch.length) return toBuffer(concatBytes(chunks)).toString('latin1');
  copyTo(scratch, chunks);
  return scratchText.toString('latin1', 0, length);
}

function copyTo(bytes: Uint8Array, chunks: readonly Uint8Array[]): Uint8Array {
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Bytes, or the same as text of latin1. */
export type Part = Uint8Array | string;

/** A part as text, each character of it a byte. */
export function textOf(part: Part): string {
  return typeof part === 'string' ? part : toBuffer(part).toString('latin1');
}

/** A part as bytes. */
export function bytesOf(part: Part): Uint8Array {
  return typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
}

const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function toBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A view of the same memory with Node's Buffer methods, for its fast latin1 decoding and searching. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
