/**
 * 32 bits of a text, spread evenly: FNV-1a over its code units, mixed as MurmurHash3 does at its end. The same on every
 * machine, so that several gateways choose the same target. Not for secrets.
 */
export function hashText(text: string, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(hash);
}

/** One hash of two. */
export function mixHashes(one: number, other: number): number {
  return mix(Math.imul(one ^ (other >>> 15), 0x9e3779b1) ^ mix(other));
}

function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
