/** Keeps a run of bytes that arrives in pieces, as long as it stays within a bound. */
export interface ByteRecorder {
  /** Copies the bytes from `from` up to `to`; past the bound, everything is dropped and nothing more is kept. */
  append(chunk: Uint8Array, from: number, to: number): void;
  /** What was kept, or `undefined` when it was more than the bound. */
  bytes(): Uint8Array | undefined;
}

/** @param maxBytes the most that is kept; memory grows to it as bytes arrive. */
export function createByteRecorder(maxBytes: number): ByteRecorder {
  let kept: Uint8Array | undefined = new Uint8Array(Math.min(64, maxBytes));
  let length = 0;
  return {
    append(chunk, from, to) {
      if (kept === undefined || from >= to) return;
      const needed = length + to - from;
      if (needed > maxBytes) {
        kept = undefined;
        return;
      }
      if (needed > kept.length) {
        const grown = new Uint8Array(Math.min(maxBytes, Math.max(needed, 2 * kept.length)));
        grown.set(kept.subarray(0, length));
        kept = grown;
      }
      kept.set(chunk.subarray(from, to), length);
      length = needed;
    },
    bytes: () => kept?.subarray(0, length),
  };
}
