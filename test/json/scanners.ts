import { type JsonScanOptions, scanByScript, scanJsonObject } from '../../src/json/scan.ts';

/** Both ways in which a document is scanned: one body of cases for them. */
export const scanners = [
  { name: 'by the kernel where it can', scan: scanJsonObject },
  {
    name: 'by script alone',
    scan: (body: Uint8Array, options: JsonScanOptions = {}) => scanByScript(body, options),
  },
] as const;
