/** Smaller arrays are not worth giving back. */
const leastLent = 16_384;

/** Large arrays made by `concatBytes` and not lent yet. */
const made = new WeakSet<Uint8Array>();

/** Joins arrays into one; a single one is not copied. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  // not zeroed: all of it is written
  const bytes = copyTo(new Uint8Array(Buffer.allocUnsafeSlow(length).buffer), chunks);
  if (length >= leastLent) made.add(bytes);
  return bytes;
}

/**
 * Lends a large array made by `concatBytes` to its last reader.
 *
 * @returns frees its memory at once: V8 counts it as external memory, and that of some hundred streams triggers a full
 * collection
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

/** Chunks as one latin1 string. They are joined in shared scratch memory: a new array would be garbage at once. */
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

/** Bytes, or the same bytes as a latin1 string. */
export type Part = Uint8Array | string;

/** A part as text, one character per byte. */
export function textOf(part: Part): string {
  return typeof part === 'string' ? part : toBuffer(part).toString('latin1');
}

/** A part as bytes. */
export function bytesOf(part: Part): Uint8Array {
  return typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
}

const encoder = new TextEncoder();

/** The UTF-8 bytes of a string. */
export function toBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A view of the same memory with Node's Buffer methods, for its fast latin1 decoding and searching. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
