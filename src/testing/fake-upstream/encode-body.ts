import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { EncodedFault } from './faults.ts';

const maxInflatedBytes = 67_108_864;
const maxLayers = 1_000;

const compressors = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync } as const;

/** Compress a body, padded first if it must be a bomb. */
export function encodeBody(body: Buffer, fault: EncodedFault): { body: Buffer; contentEncoding: string } {
  const layers = Math.min(maxLayers, Math.max(1, fault.layers ?? 1));
  const padding = Math.min(maxInflatedBytes, fault.inflatedBytes ?? 0) - body.length;
  // Leading line feeds are legal JSON, and blank lines to an SSE parser.
  let encoded = padding > 0 ? Buffer.concat([Buffer.alloc(padding, '\n'), body]) : body;
  for (let layer = 0; layer < layers; layer += 1) {
    encoded = compressors[fault.encoding](encoded);
  }
  return { body: encoded, contentEncoding: Array.from({ length: layers }, () => fault.encoding).join(', ') };
}
