import { writeFileSync } from 'node:fs';
import { type Dialect, dialects } from '../faults/dialects.ts';
import { findRejections } from '../faults/rejections.ts';
import { startSite } from '../faults/site.ts';
import { type Figure, formatFigures, isPass, toLeast, toMost, toNone } from '../propagation/figures.ts';
import { readHoldings } from './leaks.ts';
import { runLoad } from './load.ts';
import { Oracle } from './oracle.ts';
import { startUpstreams } from './upstreams.ts';

const help = `node --expose-gc scripts/verify/soak.ts [options]

Many requests over four upstreams that fail, break and are killed all the time, by a seeded schedule: every request that
could have been answered is, within half a percent; nothing is left behind.

  --requests N   [100000]
  --seed N       of the upstreams' lives  [1]
  --json FILE    writes the figures
  --help`;

const words = process.argv.slice(2);
const toOption = (option: string): string | undefined =>
  words.includes(option) ? words[words.indexOf(option) + 1] : undefined;
if (words.includes('--help')) {
  console.log(help);
  process.exit(0);
}
const requests = Number(toOption('--requests') ?? 100_000);
const seed = Number(toOption('--seed') ?? 1);
const atOnce = 48;
/** How long a caller of the oracle would wait. */
const deadlineMs = 2_000;
const limitMs = 900_000;
const figures: Figure[] = [];
let isOver = false;

function end(problem?: unknown): void {
  if (isOver) return;
  isOver = true;
  if (problem) console.error(problem);
  if (figures.length > 0) console.log(formatFigures(figures));
  const isGood = !problem && isPass(figures);
  const file = toOption('--json');
  if (file) writeFileSync(file, `${JSON.stringify({ pass: isGood, figures }, null, 2)}\n`);
  console.log(`verify:soak ${isGood ? 'PASS' : 'FAIL'}`);
  process.exit(isGood ? 0 : 1);
}

process.on('uncaughtException', end);
// the gateway's own timers keep no process alive: this one does
setTimeout(() => end(`It took longer than ${limitMs / 1_000} s.`), limitMs);

async function run(): Promise<void> {
  const oracle = new Oracle();
  const upstreams = await startUpstreams(4, seed, oracle);
  const rejections = findRejections();
  const ids = new Set<string>();
  let records = 0;
  let attempts = 0;
  const site = await startSite({
    dialect: dialects[0] as Dialect,
    targets: upstreams.urls,
    policy: {
      maxAttempts: 4,
      rescue: ['restart'],
      idleMs: 2_000,
      headersMs: 2_000,
      // who is killed while it works on a request says nothing: callers of this soak want an answer more than thrift
      onFailure: { uncertain: 'next-target', timeout: 'next-target' },
    },
    change: (config) => ({
      ...config,
      breaker: { volumeThreshold: 10, resetTimeoutMs: 300 },
      // a request waits for an upstream as long as a caller of the oracle does
      retry: { ...config.retry, maxBackoffMs: deadlineMs },
    }),
    record(record) {
      records++;
      ids.add(record.id);
      attempts += record.attempts.length;
    },
  });
  const startedMs = performance.now();
  // what is loaded, cached and pooled is so after the first tenth
  const warm = await runLoad(site.gateway, site.key, Math.floor(requests / 10), atOnce);
  const before = await readHoldings();
  const main = await runLoad(site.gateway, site.key, requests - warm.asked.length, atOnce);
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = await readHoldings();
  await upstreams.close();
  const { journal } = site;
  const asked = [...warm.asked, ...main.asked];
  const possible = asked.filter(({ arrivedMs }) => oracle.isPossible(arrivedMs, deadlineMs)).length;
  const answered = asked.filter(({ isAnswered }) => isAnswered).length;
  const failures = new Map<string, number>();
  for (const { failure } of asked) if (failure) failures.set(failure, (failures.get(failure) ?? 0) + 1);
  const held = journal.states().filter(({ held }) => held !== 0).length;
  const open = journal.open;
  await site.close();
  const left = await readHoldings();
  const told = [...failures].map(([failure, count]) => `${count} ${failure}`).join(', ');
  const timers = left.resources.Timeout ?? 0;
  const sockets = left.resources.TCPSocketWrap ?? 0;
  figures.push(
    toLeast(
      'requests',
      asked.length,
      requests,
      `${(requests / seconds).toFixed(0)} a second, ${seconds.toFixed(0)} s`,
    ),
    toLeast('falls of upstreams', upstreams.falls, 4, `${upstreams.kills} kills`),
    toLeast(
      'answered whole, of 1,000 that a perfect router could have',
      Math.floor((answered / possible) * 100_000) / 100,
      995,
      `${possible} possible; ${told || 'none failed'}`,
    ),
    toNone('answers that are not whole and say that they are', warm.truncated + main.truncated),
    toMost('attempts', attempts, Math.ceil(1.2 * requests) + 3),
    toNone(
      'requests without a record, or with two',
      Math.abs(records - requests) + Math.abs(ids.size - requests),
    ),
    toNone('reservations that are held', open + held),
    toMost(
      'heap growth over the last nine tenths, KB',
      Math.max(0, Math.round((after.heapBytes - before.heapBytes) / 1_024)),
      globalThis.gc ? 16_384 : 131_072,
      `${Math.round(after.heapBytes / 1_048_576)} MB`,
    ),
    toMost('sockets, while it runs', after.resources.TCPSocketWrap ?? 0, 4 * atOnce),
    toNone(
      'sockets and timers after it was closed',
      sockets + Math.max(0, timers - 1),
      JSON.stringify(left.resources),
    ),
    toNone('unhandled rejections', (await rejections.end()).length),
    toNone('errors told to the host', site.errors.length, String(site.errors[0] ?? '')),
  );
}

run().then(() => end(), end);
