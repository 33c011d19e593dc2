import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepAwake } from '../awake.ts';
import { launch, type RunningSubject } from '../launch.ts';
import { type LoadResult, runLoad } from '../load.ts';
import { toCodingRequest, toSmallRequest, toStreamRequest } from '../payloads.ts';
import type { CaseContext, CaseResult } from '../result.ts';
import { median, round } from '../statistics.ts';
import type { Subject, SubjectName } from '../subject.ts';

interface ThroughputCase {
  readonly upstream: 'json1k' | 'sse200';
  readonly body: () => string;
  readonly replyEnd: string;
  readonly connections: number;
}

export const throughputCases = {
  json1k: { upstream: 'json1k', body: toSmallRequest, replyEnd: '}', connections: 32 },
  body400k: { upstream: 'json1k', body: toCodingRequest, replyEnd: '}', connections: 16 },
  sse200: { upstream: 'sse200', body: toStreamRequest, replyEnd: 'data: [DONE]', connections: 32 },
  latency1: { upstream: 'json1k', body: toSmallRequest, replyEnd: '}', connections: 1 },
} as const satisfies Record<string, ThroughputCase>;

/** The length of a second try, if a run ended before the first reply. */
const slowMs = 20_000;

type Run = LoadResult & { rssMb: number; cpuUs: number };

/** Starts and warms up every subject, then takes a run of each, round after round; and again with new processes. */
export async function runThroughputCase(
  name: keyof typeof throughputCases,
  context: CaseContext,
): Promise<CaseResult> {
  const { upstream, body, replyEnd, connections }: ThroughputCase = throughputCases[name];
  const { options, subjects, directory, leaveOut } = context;
  const bodyFile = join(directory, `${name}.json`);
  writeFileSync(bodyFile, body());
  const { jsonOrigin, streamOrigin } = context.upstreams;
  const upstreamUrl = `${upstream === 'json1k' ? jsonOrigin : streamOrigin}/${upstream}`;
  const running = new Map<SubjectName, RunningSubject>();
  const runs = new Map<SubjectName, Run[]>();

  const takeRun = async (subject: SubjectName, durationMs: number): Promise<Run | undefined> => {
    const target = running.get(subject);
    if (!target) return undefined;
    try {
      const load = { url: target.url, headers: target.headers, bodyFile, connections, durationMs };
      const beforeMs = target.cpuMs();
      const result = (await runLoad(load)) ?? (await runLoad({ ...load, durationMs: slowMs }));
      if (!result) throw new Error(`no request was answered in ${slowMs} ms`);
      const cpuUs = ((target.cpuMs() - beforeMs) * 1000) / result.requests;
      return { ...result, rssMb: target.rssMb(), cpuUs };
    } catch (error) {
      leaveOut(name, subject, error);
      running.delete(subject);
      runs.delete(subject);
      await target.stop();
      return undefined;
    }
  };

  /** V8 goes on compiling hot code for tens of thousands of requests: the more code, the longer. */
  const warmUp = async (subject: SubjectName): Promise<boolean> => {
    let requests = 0;
    for (let ms = 0; ms === 0 || (requests < options.warmUpRequests && ms < options.longestWarmUpMs); ) {
      const runMs = ms === 0 ? options.warmUpMs : options.runMs;
      const run = await takeRun(subject, runMs);
      if (!run) return false;
      requests += run.requests;
      ms += runMs;
    }
    return true;
  };

  const isLatency = connections === 1;
  const sleepAgain = isLatency ? keepAwake() : undefined;
  if (isLatency && !sleepAgain) context.progress(`${name}: the processors sleep between requests`);
  const start = async (subject: Subject): Promise<void> => {
    try {
      running.set(subject.name, await launch(subject, { upstreamUrl, directory, bodyFile, replyEnd }));
    } catch (error) {
      leaveOut(name, subject.name, error);
      runs.delete(subject.name);
      return;
    }
    if ((await warmUp(subject.name)) && !runs.has(subject.name)) runs.set(subject.name, []);
  };
  const stopAll = async () => {
    await Promise.all([...running.values()].map((subject) => subject.stop()));
    running.clear();
  };
  try {
    for (let process = 1; process <= options.processes; process++) {
      // one that was left out once stays out
      for (const subject of subjects) if (process === 1 || runs.has(subject.name)) await start(subject);
      // a run ends with callers that leave, then idle time: the first times, V8 deoptimizes code that has met neither
      for (let turn = 1 - options.warmUpRounds; turn <= options.rounds; turn++) {
        const which = turn > 0 ? `round ${turn} of ${options.rounds}` : 'a round that does not count';
        context.progress(`${name}: ${which} of process ${process}`);
        for (const subject of [...runs.keys()]) {
          const run = await takeRun(subject, options.runMs);
          if (run && turn > 0) runs.get(subject)?.push(run);
        }
      }
      await stopAll();
    }
  } finally {
    sleepAgain?.();
    await stopAll();
  }
  return toResult(runs, isLatency, sleepAgain !== undefined);
}

function toResult(
  runs: ReadonlyMap<SubjectName, readonly Run[]>,
  isLatency: boolean,
  isAwake: boolean,
): CaseResult {
  const bare = runs.get('bare');
  const result: CaseResult = {};
  for (const [subject, own] of runs) {
    const overBare = (figure: (run: Run, bareRun: Run) => number) =>
      bare
        ? median(own.slice(0, bare.length).map((run, index) => figure(run, bare[index] as Run)))
        : Number.NaN;
    result[subject] = {
      rps: round(median(own.map((run) => run.rps)), 1),
      p50Ms: round(median(own.map((run) => run.p50Ms)), 4),
      p99Ms: round(median(own.map((run) => run.p99Ms)), 4),
      rssMb: round(Math.max(...own.map((run) => run.rssMb)), 1),
      ratioToBare: round(
        overBare((run, bareRun) => run.rps / bareRun.rps),
        3,
      ),
      cpuUs: round(median(own.map((run) => run.cpuUs))),
      cpuRatioToBare: round(
        overBare((run, bareRun) => bareRun.cpuUs / run.cpuUs),
        3,
      ),
      runs: own.map((run) => round(run.rps, 1)),
      ...(isLatency && {
        idle: isAwake ? 'polls' : 'sleeps',
        addedP50Us: round(
          overBare((run, bareRun) => (run.p50Ms - bareRun.p50Ms) * 1000),
          1,
        ),
        addedP99Us: round(
          overBare((run, bareRun) => (run.p99Ms - bareRun.p99Ms) * 1000),
          1,
        ),
      }),
    };
  }
  return result;
}
