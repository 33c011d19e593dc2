import { type Figure, toLeast, toMost, toNone, toTime } from '../propagation/figures.ts';
import { percentile } from '../propagation/statistics.ts';
import type { Undo } from '../propagation/undo.ts';
import { clockMs } from './clock.ts';
import { play } from './play.ts';
import { usualAmounts } from './site.ts';
import { startStage } from './stage-processes.ts';

const forMs = 30_000;
/** As many as a busy machine serves within a deadline: a standstill is told by what is met before. */
const clientsOfEach = 10;
const promises = { p99Ms: 1_000, openMs: 2_000, printedBytesPerMinute: 10_000 };
// so that most is served until the store stands still, and after
const amounts = {
  ...usualAmounts,
  tokensOfWindow: 1_000_000,
  requestsOfWindow: 100_000,
  tokensOfKey: 10_000_000,
  usd: 100,
};

/** Redis does not answer for half a minute, while gateways are asked as before. */
export async function playStandstill(undo: Undo): Promise<readonly Figure[]> {
  const stage = await startStage('redis', undo, { amounts, clients: clientsOfEach, areDefaults: true });
  let frozenAtMs = 0;
  let thawedAtMs = 0;
  const before: number[] = [];
  const printed: number[] = [];
  const result = await play(
    {
      ...stage,
      async freeze() {
        before.push(...stage.printedBytes());
        frozenAtMs = clockMs();
        await stage.freeze();
      },
      async thaw() {
        thawedAtMs = clockMs();
        await stage.thaw();
        printed.push(...stage.printedBytes().map((bytes, index) => bytes - (before[index] ?? 0)));
      },
    },
    { loadMs: 50_000, killsMs: [], freeze: { atMs: 5_000, forMs } },
  );
  const { first, load, nodes, samples, stillHeld } = result;
  const met = load.timings.filter(
    ([sentAtMs, tookMs]) => sentAtMs + tookMs > frozenAtMs && sentAtMs < thawedAtMs,
  );
  const healthy = nodes.filter(({ changes }) => isHealthyAt(changes, frozenAtMs));
  const opened = healthy.map(({ changes }) => afterMs(changes, 'degraded', frozenAtMs));
  const closed = nodes.map(({ changes }) => afterMs(changes, 'healthy', thawedAtMs));
  const minutes = (thawedAtMs - frozenAtMs) / 60_000;
  const of = (what: string) => `redis, frozen ${forMs / 1_000} s: ${what}`;
  const note = Object.entries(load.statuses)
    .map(([status, count]) => `${status}: ${count}`)
    .join(', ');
  return [
    toLeast(of('requests meanwhile'), met.length, 1_000, note),
    toTime(
      of('a request, p99'),
      percentile(
        met.map(([, tookMs]) => tookMs),
        99,
      ),
      promises.p99Ms,
      `p50 ${percentile(
        met.map(([, tookMs]) => tookMs),
        50,
      ).toFixed(1)} ms`,
    ),
    toLeast(of('gateways that asked it until then'), healthy.length, 1, `of ${nodes.length}`),
    toTime(
      of('until the last gateway asks no more'),
      Math.max(...opened),
      promises.openMs,
      `of ${healthy.length}`,
    ),
    toTime(of('until the last gateway asks again'), Math.max(...closed), 10_000, 'from the thaw'),
    toMost(
      of('printed by the gateway that prints most, bytes a minute'),
      Math.ceil(Math.max(...printed) / minutes),
      promises.printedBytesPerMinute,
    ),
    toMost(of('used + held beyond a limit, at every sample'), samples.mostOver, 0, samples.where),
    toMost(of('used + held beyond a limit, by the journals'), first.mostOver, 0),
    toNone(of('held after lease and sweep'), stillHeld),
    toNone(of('sums that differ, as each ended'), first.wrongSums.length, first.wrongSums[0]),
    toNone(
      of('sums that differ, uncertain ones settled'),
      result.resolved?.wrongSums.length ?? 1,
      result.resolved?.wrongSums[0],
    ),
    toNone(
      of('record, ledger and upstream differ'),
      first.mismatches.length,
      first.mismatches[0] ?? `of ${first.compared}`,
    ),
  ];
}

type Changes = Awaited<ReturnType<typeof play>>['nodes'][number]['changes'];

function isHealthyAt(changes: Changes, atMs: number): boolean {
  return changes.findLast((each) => each.atMs < atMs)?.state !== 'degraded';
}

function afterMs(changes: Changes, state: 'healthy' | 'degraded', fromMs: number): number {
  const change = changes.find((each) => each.state === state && each.atMs >= fromMs);
  return change ? change.atMs - fromMs : Number.POSITIVE_INFINITY;
}
