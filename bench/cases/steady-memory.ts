import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from '../launch.ts';
import { runLoad } from '../load.ts';
import { toSmallRequest } from '../payloads.ts';
import type { CaseContext, CaseResult } from '../result.ts';
import { round, slope } from '../statistics.ts';

const connections = 32;
/** The subjects whose memory is a promise, and what they are compared with. The others would only take time. */
const watched = new Set(['bare', 'headgate']);

/**
 * Memory over very many requests: the slope of RSS once heaps and bounded stores have filled. A warm-up of as many
 * requests as are measured fills them.
 */
export async function runSteadyMemoryCase(context: CaseContext): Promise<CaseResult> {
  const { options, directory, leaveOut } = context;
  const bodyFile = join(directory, 'rss1m.json');
  writeFileSync(bodyFile, toSmallRequest());
  const upstreamUrl = `${context.upstreams.jsonOrigin}/json1k`;
  const result: CaseResult = {};
  for (const subject of context.subjects.filter(({ name }) => watched.has(name))) {
    context.progress(`rss1m: ${subject.name}`);
    try {
      const running = await launch(subject, { upstreamUrl, directory, bodyFile, replyEnd: '}' });
      try {
        const load = { url: running.url, headers: running.headers, bodyFile, connections };
        const runOnce = async () => {
          const run = await runLoad({ ...load, durationMs: options.quick ? 1_000 : 2_000 });
          if (!run) throw new Error('no request was answered');
          return run;
        };
        let warmUp = 0;
        while (warmUp < options.requests) warmUp += (await runOnce()).requests;
        const startLiveKb = await running.liveKb();
        const startMb = running.rssMb();
        const points: [requests: number, rssKb: number][] = [];
        const rates: number[] = [];
        let requests = 0;
        while (requests < options.requests) {
          const run = await runOnce();
          requests += run.requests;
          rates.push(round(run.rps, 1));
          points.push([requests, running.rssMb() * 1024]);
        }
        const liveKb = (await running.liveKb()) - startLiveKb;
        const last = points.at(-1) as [number, number];
        result[subject.name] = {
          rps: round(rates.reduce((sum, rate) => sum + rate, 0) / rates.length, 1),
          p50Ms: Number.NaN,
          p99Ms: Number.NaN,
          rssMb: round(Math.max(...points.map(([, rssKb]) => rssKb)) / 1024, 1),
          ratioToBare: Number.NaN,
          runs: rates,
          requests,
          slopeKbPer1000Requests: round(slope(points) * 1000, 3),
          liveKbPer1000Requests: round((liveKb * 1000) / requests, 3),
          startMb: round(startMb, 1),
          endMb: round(last[1] / 1024, 1),
        };
      } finally {
        await running.stop();
      }
    } catch (error) {
      leaveOut('rss1m', subject.name, error);
    }
  }
  return result;
}
