import type { BackendName } from './backends.ts';
import { changeKinds } from './changes.ts';
import type { StampedeReport, WarmReport } from './cold-stampede.ts';
import { type Figure, toLeast, toMost, toNone, toTime } from './figures.ts';
import type { InProcessReport } from './in-process.ts';
import type { ScaleReport } from './messages.ts';
import type { Mode, NodesReport } from './nodes.ts';
import type { Round } from './round.ts';
import * as settings from './settings.ts';
import { toSpread } from './statistics.ts';

/** Of the requests that need the store at once, so many may find it too slow: other work on the machine holds it up. */
const lateStoreShare = 0.001;
/** Of the requests of a stampede; more would show in its p99. */
const lateStampedeShare = 0.01;

/** The figures of the nodes over one backend. */
export function judgeNodes(backend: BackendName, report: NodesReport): Figure[] {
  const { rounds, load, delivered, lost } = report;
  const all = Object.values(rounds).flatMap((byKind) => Object.values(byKind).flat());
  const name = (what: string) => `${backend}: ${what}`;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const total = (counts: Readonly<Record<string, number>>) => sum(Object.values(counts));
  const statuses = all.flatMap((round) => round.wrong);
  // refused because the store did not answer in time: nobody was served, and nobody was told that a key is wrong
  const wrong = statuses.filter((status) => status !== 503);
  const { 503: lateEnded = 0, ...unexpected } = load.unexpected;
  const lateStore = statuses.length - wrong.length + lateEnded;
  const requests = sum(all.map((round) => round.requests));
  const perSecond = Math.round((load.good + load.ended) / load.seconds);
  return [
    judgeAll(backend, rounds.push),
    ...judgeMode(backend, 'push', rounds.push),
    ...judgeMode(backend, 'push cut', rounds['push cut']),
    toNone(
      name(`served after ${settings.boundMs} ms`),
      sum(all.map((round) => round.servedAfterBound)) + load.servedAfterBound,
      `of ${requests} looks and ${load.good + load.ended} requests of the load; the last stale one ${Math.round(load.latestStaleMs)} ms after its change`,
    ),
    toNone(name('back to the state before'), sum(all.map((round) => round.setBacks))),
    toNone(name('other answers to a look'), wrong.length, toTally(wrong)),
    toNone(
      name('good requests that failed'),
      total(load.failures),
      `of ${load.good}, ${perSecond}/s on ${settings.nodeCount} nodes beside the looks; p50 ${load.p50Ms.toFixed(1)} ms, p99 ${load.p99Ms.toFixed(1)} ms, ${load.skipped} not sent ${JSON.stringify(load.failures)}`,
    ),
    toNone(
      name('other answers to what has ended'),
      total(unexpected),
      `of ${load.ended} ${JSON.stringify(unexpected)}`,
    ),
    toMost(
      name('503, since the store was too slow'),
      lateStore,
      Math.ceil((requests + load.ended) * lateStoreShare),
      'looks, and requests with what has ended',
    ),
    toLeast(name('requests with what has ended'), load.ended, 100),
    toLeast(name('notifications before the cut'), delivered, 1),
    toLeast(name('notifications lost in the cut'), lost, 1),
  ];
}

function judgeAll(backend: BackendName, rounds: Readonly<Record<string, readonly Round[]>>): Figure {
  const all = Object.values(rounds).flat();
  const { count, p50, p99, max } = toSpread(all.map(({ lastNodeMs }) => lastNodeMs));
  const heldUp = toSpread(all.map(({ heldUpMs }) => heldUpMs));
  const rest = `p50 ${p50.toFixed(1)}, max ${max.toFixed(1)} ms, ${count} rounds, in which the measuring process itself was held up p50 ${heldUp.p50.toFixed(1)}, p99 ${heldUp.p99.toFixed(1)}, max ${heldUp.max.toFixed(1)} ms`;
  return toTime(`${backend}, push: any change, last node p99`, p99, settings.pushBoundMs, rest);
}

function judgeMode(
  backend: BackendName,
  mode: Mode,
  rounds: Readonly<Record<string, readonly Round[]>>,
): Figure[] {
  return changeKinds.map((kind) => {
    const { count, p50, p99, max } = toSpread((rounds[kind] ?? []).map(({ lastNodeMs }) => lastNodeMs));
    const what = `${backend}, ${mode}: ${kind}`;
    const rest = `p50 ${p50.toFixed(1)}, max ${max.toFixed(1)} ms, ${count} rounds`;
    return mode === 'push'
      ? toTime(`${what}, last node p99`, p99, settings.pushBoundMs, rest)
      : toTime(`${what}, last node max`, max, settings.boundMs, rest);
  });
}

/** The figures of one process. */
export function judgeInProcess(report: InProcessReport): Figure[] {
  const { tries, stale, loadRequests, loadFailures } = report;
  return [
    toNone('in process: next request stale', stale, `of ${tries} changes`),
    toNone('in process: good requests that failed', loadFailures, `of ${loadRequests} beside`),
    toLeast('in process: requests beside', loadRequests, tries),
  ];
}

/** The figures of a cold and a warm cache. */
export function judgeStampede(backend: BackendName, cold: StampedeReport, warm: WarmReport): Figure[] {
  const { p50, p99, max } = cold.latencyMs;
  const rest = `p50 ${p50.toFixed(0)}, max ${max.toFixed(0)} ms, ${cold.requests} requests with ${cold.keys} keys at once`;
  return [
    toTime(`${backend}, cold: request p99`, p99, settings.stampedeBoundMs, rest),
    toMost(`${backend}, cold: look-ups of one key`, cold.mostLookUps, 1, `${cold.lookUps} look-ups`),
    toNone(`${backend}, cold: 401`, cold.unauthorized),
    toMost(
      `${backend}, cold: 503, since the store was too slow`,
      cold.storeTooSlow,
      Math.ceil(cold.requests * lateStampedeShare),
    ),
    toNone(`${backend}, cold: other answers`, cold.otherwise),
    toTime(
      `${backend}, warm: look-up`,
      warm.lookUpUs,
      settings.warmLookUpUs,
      `median, ${warm.lookUps} look-ups`,
      'us',
    ),
    toNone(`${backend}, warm: calls of the store`, warm.storeCalls),
  ];
}

/** The figures of a large site. */
export function judgeScale(report: ScaleReport): Figure[] {
  const { compileMs, slowestCompileMs, memoryMb, residentMb, requestUs, costByFew, costByMany } = report;
  const { costInTurn, httpUs, httpCostInTurn } = report;
  const { keys, profiles, models } = settings.scale;
  const { compileBoundMs, memoryBoundMb, requestCostBound } = settings;
  const size = `${keys} keys, ${profiles} profiles, ${models} models`;
  return [
    toTime(
      'scale: compile',
      compileMs,
      compileBoundMs,
      `${size}; the slowest ${slowestCompileMs.toFixed(0)} ms`,
    ),
    toTime(
      'scale: memory',
      memoryMb,
      memoryBoundMb,
      `after a collection; ${residentMb.toFixed(0)} MB resident`,
      'MB',
    ),
    toTime(
      'scale: cost of a request, 10 callers',
      costByFew,
      requestCostBound,
      `of the ${requestUs.toFixed(1)} µs with 10 of each, by as many callers of as many models`,
      'times',
    ),
    toTime(
      'scale: cost of a request, all profiles',
      costByMany,
      requestCostBound,
      `by one caller of each, some requests of each in a row; ${costInTurn.toFixed(2)} × when all take turns: the same work, but the processor has to fetch the data of each anew`,
      'times',
    ),
    toTime(
      'scale: cost of a request over HTTP, all profiles in turn',
      httpCostInTurn,
      requestCostBound,
      `of the ${httpUs.toFixed(1)} µs from socket to socket with 10 of each`,
      'times',
    ),
  ];
}

function toTally(values: readonly number[]): string {
  const tally = new Map<number, number>();
  for (const value of values) tally.set(value, (tally.get(value) ?? 0) + 1);
  return [...tally].map(([value, count]) => `${count} × ${value}`).join(', ');
}
