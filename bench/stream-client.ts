/**
 * Opens many paced streams, keeps them open together for a while, lets the mock end them, and reports how they went.
 * Sends its parent `{ phase: 'open' }` when all are open, then `{ phase: 'done', … }`.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from './statistics.ts';

interface ClientOptions {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly bodyFile: string;
  readonly streams: number;
  readonly paceMs: number;
  readonly holdMs: number;
  readonly finishUrl: string;
}

/** What the client found. */
export interface StreamReport {
  /** Streams that got a first delta. */
  readonly opened: number;
  readonly openMs: number;
  /** Streams that reached their terminator. */
  readonly whole: number;
  /** Connections that broke, and replies that were not 200. */
  readonly failed: number;
  /** Gaps of more than three paces between two chunks while all were open. */
  readonly stalls: number;
  readonly longestGapMs: number;
  readonly firstDeltaP50Ms: number;
  readonly firstDeltaP99Ms: number;
  /** From the mock's write to this process, while all were open; `null` if the subject drops the time stamp. */
  readonly deltaP50Ms: number | null;
  readonly deltaP99Ms: number | null;
}

const openAtOnce = 128;
const longestOpeningMs = 30_000;

const options = JSON.parse(process.env.STREAM_OPTIONS ?? '{}') as ClientOptions;
const url = new URL(options.url);
const body = readFileSync(options.bodyFile);
const fields = Object.entries({ host: url.host, ...options.headers, 'content-length': String(body.length) });
const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
const request = Buffer.concat([Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${head}\r\n`), body]);

const firstDeltas: number[] = [];
const deltas: number[] = [];
const live = new Map<Socket, { lastMs: number; tail: string }>();
let isHolding = false;
let opened = 0;
let whole = 0;
let failed = 0;
let stalls = 0;
let longestGapMs = 0;

function noteGap(gapMs: number): void {
  if (!isHolding) return;
  longestGapMs = Math.max(longestGapMs, gapMs);
  if (gapMs > options.paceMs * 3) stalls++;
}

/** Resolves with the first delta, or when the stream failed before it. */
function openStream(): Promise<void> {
  return new Promise((resolve) => {
    const sentMs = performance.now();
    const socket = connect({ port: Number(url.port), host: url.hostname, noDelay: true }, () =>
      socket.write(request),
    );
    const stream = { lastMs: 0, tail: '' };
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (live.delete(socket) || stream.lastMs === 0) failed++;
      resolve();
    });
    socket.on('data', (data) => {
      const nowMs = performance.now();
      const text = stream.tail + data.toString('latin1');
      if (stream.lastMs === 0) {
        if (!text.includes('data: ')) {
          stream.tail = text;
          if (text.length > 12 && !text.startsWith('HTTP/1.1 200')) socket.destroy();
          return;
        }
        live.set(socket, stream);
        opened++;
        firstDeltas.push(nowMs - sentMs);
        resolve();
      } else {
        noteGap(nowMs - stream.lastMs);
      }
      stream.lastMs = nowMs;
      const stamp = isHolding ? /"sent": ?(\d+)/.exec(text) : null;
      if (stamp) deltas.push(Number(process.hrtime.bigint() / 1000n) / 1000 - Number(stamp[1]) / 1000);
      if (text.includes('data: [DONE]')) {
        whole++;
        live.delete(socket);
        socket.destroy();
      }
      stream.tail = text.slice(-12);
    });
  });
}

async function openStreams(): Promise<void> {
  const endMs = performance.now() + longestOpeningMs;
  let started = 0;
  const openNext = async () => {
    while (started < options.streams && performance.now() < endMs) {
      started++;
      await Promise.race([openStream(), delay(30_000, undefined, { ref: false })]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(openAtOnce, options.streams) }, openNext));
}

const startedMs = performance.now();
await openStreams();
const openMs = performance.now() - startedMs;
// delays from opening are not counted against the open streams
await delay(options.paceMs);
isHolding = true;
process.send?.({ phase: 'open' });
await delay(options.holdMs);
for (const { lastMs } of live.values()) noteGap(performance.now() - lastMs);
isHolding = false;
await fetch(options.finishUrl);
const lastMs = performance.now() + options.paceMs * 3 + 10_000;
while (live.size > 0 && performance.now() < lastMs) await delay(50);
// the mock ends streams for one pace: later streams must miss that
await delay(options.paceMs);

const report: StreamReport = {
  opened,
  openMs,
  whole,
  failed: failed + live.size,
  stalls,
  longestGapMs,
  firstDeltaP50Ms: percentile(firstDeltas, 50),
  firstDeltaP99Ms: percentile(firstDeltas, 99),
  deltaP50Ms: deltas.length > 0 ? percentile(deltas, 50) : null,
  deltaP99Ms: deltas.length > 0 ? percentile(deltas, 99) : null,
};
process.send?.({ phase: 'done', report }, () => process.exit(0));
