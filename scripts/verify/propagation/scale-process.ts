import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { compileConfig } from '../../../src/config/snapshot.ts';
import { builtInProviders } from '../../../src/providers/index.ts';
import { makeLargeConfig } from '../../../test/config/large-config.ts';
import { receiveStart, sayReady } from './child-process.ts';
import type { ScaleReport, StartScale } from './messages.ts';
import { measureOverHttp } from './scale-http.ts';
import { openScaleSite, type Scale, type ScaleSite } from './scale-site.ts';
import { percentile } from './statistics.ts';

/**
 * In a process of its own, so that its memory is its own: compiles, fills and asks a large site beside a small one. Times are
 * processor times, in which a busy machine shows less.
 */
const compilations = 7;
const batches = 40;
const requestsInBatch = 1_000;
const warmUp = 10_000;
/** Requests of a caller before the next one has its turn. */
const inARow = 20;
/** Of everything, in the small site. */
const few = 10;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const start = await receiveStart<StartScale>();
sayReady('');
process.send?.(await measure(start.scale));

async function measure(scale: Scale): Promise<ScaleReport> {
  const small = openScaleSite({ keys: few, profiles: few, models: few });
  const large = openScaleSite(scale);
  const compileMs = measureCompilations(scale);
  // those who call are in the cache, their policies were asked for, and the code is compiled
  await small.ask(warmUp, few, 1);
  await large.ask(warmUp, scale.profiles, 1);
  const smallUs: number[] = [];
  const byFew: number[] = [];
  const byMany: number[] = [];
  const inTurn: number[] = [];
  // in turns, so that what else the machine does falls on all
  for (let batch = 0; batch < batches; batch++) {
    const before = await timeRequests(small, few, 1);
    const fewUs = await timeRequests(large, few, 1);
    const manyUs = await timeRequests(large, scale.profiles, inARow);
    const inTurnUs = await timeRequests(large, scale.profiles, 1);
    const oneUs = (before + (await timeRequests(small, few, 1))) / 2;
    smallUs.push(oneUs);
    byFew.push(fewUs / oneUs);
    byMany.push(manyUs / oneUs);
    inTurn.push(inTurnUs / oneUs);
  }
  await small.gateway.close({ drainMs: 1 });
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  await large.gateway.close({ drainMs: 1 });
  const http = await measureOverHttp({ keys: few, profiles: few, models: few }, scale);
  return {
    type: 'scale',
    compileMs: percentile(compileMs, 50),
    slowestCompileMs: Math.max(...compileMs),
    memoryMb: (heapUsed + external) / 1e6,
    residentMb: rss / 1e6,
    requestUs: percentile(smallUs, 50),
    costByFew: percentile(byFew, 50),
    costByMany: percentile(byMany, 50),
    costInTurn: percentile(inTurn, 50),
    httpUs: http.us,
    httpCostInTurn: http.inTurn,
  };
}

/** Microseconds of a request. */
async function timeRequests(site: ScaleSite, callers: number, inARow: number): Promise<number> {
  // what the site before has driven out of the processor's caches is no cost of this one
  await site.ask(requestsInBatch / 2, callers, inARow);
  const startedAt = process.cpuUsage();
  await site.ask(requestsInBatch, callers, inARow);
  return (sinceMs(startedAt) * 1_000) / requestsInBatch;
}

/** Processor time, milliseconds. */
function sinceMs(startedAt: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(startedAt);
  return (user + system) / 1_000;
}

function measureCompilations({ models, profiles }: Scale): number[] {
  const config = makeLargeConfig(models, profiles);
  return Array.from({ length: compilations }, () => {
    const startedAt = process.cpuUsage();
    compileConfig(config, { id: 'v1', providers: builtInProviders, environment: {} }).close();
    return sinceMs(startedAt);
  });
}
