import { Buffer } from 'node:buffer';
import { brotliDecompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { compileKernel } from '../../scripts/compile-kernel.ts';
import { kernelBytes } from '../../src/json/kernel/bytes.ts';

it('the bytes of the kernel are those that its source compiles to: if not, run "npm run build:kernel"', () => {
  expect(brotliDecompressSync(Buffer.from(kernelBytes, 'base64')).equals(compileKernel())).toBe(true);
});
