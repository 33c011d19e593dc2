import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayConfig } from '../../../src/config/schema.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { createRandom } from '../failover/random.ts';
import { type Dialect, dialects } from '../faults/dialects.ts';
import { toConfig } from '../faults/site-config.ts';
import type { Policy } from '../faults/table/row.ts';
import { type Figure, formatFigures, isPass, toLeast, toMost, toNone } from '../propagation/figures.ts';
import { checkRecords, type RecordCheck } from './check-records.ts';
import type { GatewayReport } from './gateway-messages.ts';
import { type Gateways, startGateways } from './gateways.ts';
import { readHeld } from './held.ts';
import { type Asked, runLoad } from './load.ts';
import { Oracle } from './oracle.ts';
import { startUpstreams } from './upstreams.ts';

const help = `node scripts/verify/soak.ts [options]

Many requests through two gateways over four upstreams that fail, break and are killed all the time, by a seeded schedule;
one of the gateways is killed, too. Every request that could have been answered is, within half a percent; nothing is left
behind.

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
/** Longest that what a killed gateway held may be missed: its slices, and its place among those that share the ledger. */
const heldForMs = 90_000;
/** How soon after the end of a reply its gateway may be seen to be killed. */
const lastTurnMs = 50;
/** Further attempts that there may always be in one process. */
const retryFloor = 20;
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
setTimeout(() => end(`It took longer than ${limitMs / 1_000} s.`), limitMs);

const dialect = dialects[0] as Dialect;

/** Four providers that take turns, and whoever is killed while it works on a request is no reason to give it up. */
function toSoakConfig(
  urls: readonly string[],
  key: NonNullable<GatewayConfig['keys']>[number],
): GatewayConfig {
  const policy: Policy = {
    rescue: ['restart'],
    idleMs: 2_000,
    headersMs: 2_000,
    onFailure: { uncertain: 'next-target', timeout: 'next-target' },
  };
  const config = toConfig(dialect, urls, policy, key);
  return {
    ...config,
    routes: [{ name: 'turns', targets: Object.keys(config.providers) }],
    breaker: { volumeThreshold: 10, resetTimeoutMs: 300 },
    // a request waits for an upstream as long as a caller of the oracle does
    // and a process that has just begun knows nothing of any upstream
    retry: { maxAttempts: 6, maxBackoffMs: deadlineMs, budget: { floor: retryFloor } },
  };
}

async function run(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-soak-'));
  try {
    await runIn(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runIn(directory: string): Promise<void> {
  const oracle = new Oracle();
  const upstreams = await startUpstreams(4, seed, oracle);
  const issued = issueKey({ team: 'payments' }, createNoPepperRing(), createRuntime());
  const key = issued.record as NonNullable<GatewayConfig['keys']>[number];
  const [ledgerFile, recordsFile] = [join(directory, 'ledger.sqlite'), join(directory, 'records.jsonl')];
  const config = toSoakConfig(upstreams.urls, key);
  const gateways = await startGateways({ config, ledgerFile, recordsFile }, createRandom(seed + 100));
  const startedMs = performance.now();
  // what is loaded, cached and pooled is so after the first quarter
  const warm = await runLoad(gateways, issued.key, Math.floor(requests / 4), atOnce);
  const before = await gateways.measure();
  const main = await runLoad(gateways, issued.key, requests - warm.asked.length, atOnce);
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = await gateways.measure();
  const { kills } = gateways;
  const reports = await gateways.finish();
  await upstreams.close();
  const scopes = new Map(reports.flatMap((report) => report.scopes).map((scope) => [scope.key, scope]));
  const { held, afterMs } = await readHeld(ledgerFile, [...scopes.values()], heldForMs);
  const asked = [...warm.asked, ...main.asked];
  const records = await checkRecords(recordsFile, asked);
  for (const end of records.ends.slice(0, 20)) console.log(`not answered: ${end}`);
  figures.push(
    toLeast(
      'requests',
      asked.length,
      requests,
      `${(requests / seconds).toFixed(0)} a second, ${seconds.toFixed(0)} s`,
    ),
    ...toSuccess(asked, warm.truncated + main.truncated, oracle),
    toLeast(
      'falls of upstreams',
      upstreams.falls,
      4,
      `${upstreams.kills} killed, ${upstreams.severed} with all connections reset, again and again`,
    ),
    toLeast('gateways killed', kills, 1),
    toNone('gateways that ended by themselves', gateways.crashes.length, gateways.crashes[0] ?? ''),
    toMost(
      'attempts',
      records.attempts,
      Math.ceil(1.2 * records.records) + retryFloor * (2 + kills),
      `${retryFloor} in any case for each process`,
    ),
    ...toMissing(records, gateways),
    toNone('records that are there twice', records.twice),
    toMost(
      'records of which nobody saw the reply',
      records.unseen,
      kills * atOnce,
      'no more than ran in a gateway that was killed',
    ),
    toNone(
      'held when all have ended',
      held,
      `${(afterMs / 1_000).toFixed(1)} s later, those of the killed with it`,
    ),
    toMost(
      'heap growth over the last three quarters, KB',
      Math.max(0, Math.round((after.heapBytes - before.heapBytes) / 1_024)),
      8_192,
      `${Math.round(after.heapBytes / 1_048_576)} MB`,
    ),
    toMost(
      'descriptors more than after the first quarter',
      Math.max(0, after.descriptors - before.descriptors),
      4 * atOnce,
      `${after.descriptors}: connections that are kept, to four upstreams`,
    ),
    ...reports.flatMap(toLeft),
  );
}

/** The last bytes of a reply and its record leave a process in one turn of its loop, and a kill may come between them. */
function toMissing({ missing, records }: RecordCheck, gateways: Gateways): Figure[] {
  const isCut = ({ place, endedMs }: Asked) => gateways.wasDown(place, endedMs, endedMs + lastTurnMs);
  const cut = missing.filter(isCut).length;
  return [
    toNone('replies without a record', missing.length - cut, `${records} records`),
    toMost(
      'replies without a record whose gateway was killed as they ended',
      cut,
      gateways.kills,
      `within ${lastTurnMs} ms`,
    ),
  ];
}

function toSuccess(asked: readonly Asked[], truncated: number, oracle: Oracle): Figure[] {
  const lost = asked.filter(({ end }) => end === 'lost').length;
  const isPossible = ({ end, arrivedMs }: Asked) =>
    end !== 'lost' && oracle.isPossible(arrivedMs, deadlineMs);
  const possible = asked.filter(isPossible).length;
  const answered = asked.filter(({ end }) => end === 'answered').length;
  return [
    toLeast(
      'answered whole, of 1,000 that a perfect router could have',
      Math.floor((answered / possible) * 100_000) / 100,
      995,
      `${answered} of ${possible}`,
    ),
    toMost(
      'streams that ended with the gateway that relayed them',
      lost,
      Math.ceil(asked.length / 1_000),
      'nobody could go on with them',
    ),
    toNone('answers that are not whole and say that they are', truncated),
  ];
}

function toLeft({ holdings: { resources }, rejections, errors }: GatewayReport, place: number): Figure[] {
  const who = place === 0 ? 'the lasting gateway' : 'the last mortal one';
  const left = (resources.TCPSocketWrap ?? 0) + (resources.Timeout ?? 0) + (resources.TCPServerWrap ?? 0);
  return [
    toNone(`${who}: sockets and timers after it was closed`, left, JSON.stringify(resources)),
    toNone(`${who}: unhandled rejections`, rejections.length, rejections[0] ?? ''),
    toNone(`${who}: errors told to the host`, errors.length, errors[0] ?? ''),
  ];
}

run().then(() => end(), end);
