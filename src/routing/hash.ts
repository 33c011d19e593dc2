/**
 * An even 32-bit hash of a text: FNV-1a over its code units, with the final mix of MurmurHash3. The same on every
 * machine, so that several gateways choose the same target. Not for secrets.
 */
export function hashText(text: string, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(hash);
}

/** A 32-bit hash of bytes: MurmurHash3, four bytes at a time. As even as `hashText`, for longer texts. */
export function hashBytes(bytes: DataView, start: number, end: number, seed: number): number {
  let hash = seed;
  let index = start;
  for (; index + 4 <= end; index += 4) {
    hash ^= scramble(bytes.getInt32(index, true));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let at = end - 1; at >= index; at--) rest = (rest << 8) | bytes.getUint8(at);
  return mix((hash ^ scramble(rest) ^ (end - start)) >>> 0);
}

function scramble(word: number): number {
  const spread = Math.imul(word, 0xcc9e2d51);
  return Math.imul((spread << 15) | (spread >>> 17), 0x1b873593);
}

/** Mixes two hashes. */
export function mixHashes(one: number, other: number): number {
  return mix(Math.imul(one ^ (other >>> 15), 0x9e3779b1) ^ mix(other));
}

function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
