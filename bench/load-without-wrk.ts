/** The load generator where wrk is not installed: same arguments, same last line. Noisier, and it takes more of the machine. */
import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import { percentile } from './statistics.ts';

const [target = '', connections = '1', seconds = '1'] = process.argv.slice(2);
const url = new URL(target);
const body = readFileSync(process.env.BENCH_BODY ?? '');
const headers = Object.fromEntries(
  (process.env.BENCH_HEADERS ?? '')
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
);
const pool = new Pool(url.origin, { connections: Number(connections), pipelining: 1 });
const path = url.pathname + url.search;
const latencies: number[] = [];
let errors = 0;
let refused = 0;

const startedMs = performance.now();
const endMs = startedMs + Number(seconds) * 1000;

function runOnce(): Promise<void> {
  return new Promise((resolve) => {
    const sentMs = performance.now();
    pool.dispatch(
      { path, method: 'POST', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, status) {
          if (status > 399) refused++;
        },
        onResponseData() {},
        onResponseEnd() {
          latencies.push((performance.now() - sentMs) * 1000);
          resolve();
        },
        onResponseError() {
          errors++;
          resolve();
        },
      },
    );
  });
}

async function runConnection(): Promise<void> {
  while (performance.now() < endMs && errors < 1000) await runOnce();
}

await Promise.all(Array.from({ length: Number(connections) }, runConnection));
const durationUs = (performance.now() - startedMs) * 1000;
await pool.close();
const p50Us = percentile(latencies, 50) || 0;
const p99Us = percentile(latencies, 99) || 0;
console.log(JSON.stringify({ requests: latencies.length, durationUs, p50Us, p99Us, errors, refused }));
