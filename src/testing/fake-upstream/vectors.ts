import { createHash } from 'node:crypto';

/** A deterministic unit vector for a text. Its members are exact in 32-bit floats. */
export function toVector(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  let seed = createHash('sha256').update(text).digest().readUInt32LE(0);
  let norm = 0;
  for (let index = 0; index < dimensions; index += 1) {
    // A linear congruential step: cheap, and the same everywhere.
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    const value = seed / 0x8000_0000 - 1;
    vector[index] = value;
    norm += value * value;
  }
  const length = Math.sqrt(norm) || 1;
  return vector.map((value) => value / length);
}

/** A vector as little-endian 32-bit floats in base64, as OpenAI encodes it. */
export function toBase64Vector(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) {
    bytes.writeFloatLE(value, index * 4);
  }
  return bytes.toString('base64');
}
