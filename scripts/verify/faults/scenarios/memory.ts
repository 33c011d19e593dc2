import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { MemoryReport } from '../memory-process.ts';
import type { Scenario } from './scenario.ts';

const program = fileURLToPath(new URL('../memory-process.ts', import.meta.url));
const loader = fileURLToPath(new URL('../../propagation/source-loader.ts', import.meta.url));

async function measure(mode: 'requests' | 'streams', count: number): Promise<MemoryReport> {
  const words = ['--expose-gc', '--import', loader, program, mode, String(count)];
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 400_000 });
  return JSON.parse(stdout) as MemoryReport;
}

/** Whether anything is left of requests. */
export const million: Scenario = {
  title:
    'a million requests, 10 % streams, 5 % abandoned by their caller: at most 1 KB of heap per thousand of them remains, no handle, and one record each',
  isHeavy: true,
  async run() {
    const report = await measure('requests', 1_000_000);
    const findings: string[] = [];
    const { bytesPerThousand, handlesBefore, handlesAfter, records, requests, failed, seconds } = report;
    if (bytesPerThousand > 1_024)
      findings.push(`${bytesPerThousand.toFixed(0)} bytes are left of a thousand requests`);
    if (handlesAfter > handlesBefore) findings.push(`${handlesBefore} handles before, ${handlesAfter} after`);
    if (records !== requests) findings.push(`${records} records for ${requests} requests`);
    if (failed > 0) findings.push(`${failed} requests failed`);
    return {
      findings,
      figures: [
        `${bytesPerThousand.toFixed(0)} bytes for a thousand requests, in ${seconds.toFixed(0)} s, in memory`,
      ],
    };
  },
};

/** What streams take while they run. */
export const manyStreams: Scenario = {
  title:
    '9,000 streams at once: at most 64 KB each without their sockets, and nothing left when they are over (with sockets: `npm run bench`)',
  isHeavy: true,
  async run() {
    const report = await measure('streams', 9_000);
    const findings: string[] = [];
    const { bytesPerStream, leftBytes, records, requests, failed, handlesBefore, handlesAfter } = report;
    if (bytesPerStream > 65_536) findings.push(`${bytesPerStream.toFixed(0)} bytes for a stream`);
    if (leftBytes > 9_000 * 256) findings.push(`${leftBytes} bytes are left of ${requests} streams`);
    if (handlesAfter > handlesBefore) findings.push(`${handlesBefore} handles before, ${handlesAfter} after`);
    if (records !== requests) findings.push(`${records} records for ${requests} streams`);
    if (failed > 0) findings.push(`${failed} streams failed`);
    return {
      findings,
      figures: [
        `${(bytesPerStream / 1_024).toFixed(1)} KB for a stream, ${(leftBytes / 1_024).toFixed(0)} KB left of all`,
      ],
    };
  },
};
