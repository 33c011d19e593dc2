import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../children.ts';
import { launch, type RunningSubject } from '../launch.ts';
import { toStreamRequest } from '../payloads.ts';
import type { CaseContext, CaseResult } from '../result.ts';
import { median, round } from '../statistics.ts';
import type { StreamReport } from '../stream-client.ts';
import type { SubjectName } from '../subject.ts';

type Message = { phase: 'open' } | { phase: 'done'; report: StreamReport };
type Run = StreamReport & { rps: number; rssMb: number; kbPerStream: number; cpuUsPerDelta: number };

/** Whose memory is a promise, and what it is compared with. One run of the others shows where they stand. */
const compared: ReadonlySet<SubjectName> = new Set(['bare', 'headgate']);
const warmUpStreams = 500;
/** Files that a subject needs besides two sockets a stream. */
const otherFiles = 500;

/** Many paced streams at once. Every run has a fresh process, because memory before and during is compared. */
export async function runStreamsCase(context: CaseContext): Promise<CaseResult> {
  const { options, subjects, directory, leaveOut } = context;
  const bodyFile = join(directory, 'streams.json');
  writeFileSync(bodyFile, toStreamRequest());
  const upstreamUrl = `${context.upstreams.streamOrigin}/paced`;
  const streams = Math.min(options.streams, Math.floor((readOpenFilesLimit() - otherFiles) / 2));
  const runs = new Map<SubjectName, Run[]>(subjects.map(({ name }) => [name, []]));

  for (let turn = 1; turn <= options.streamRounds; turn++) {
    context.progress(`streams9k: round ${turn} of ${options.streamRounds}`);
    for (const subject of subjects) {
      if (!runs.has(subject.name) || (turn > 1 && !compared.has(subject.name))) continue;
      let running: RunningSubject | undefined;
      try {
        running = await launch(subject, { upstreamUrl, directory, bodyFile, replyEnd: undefined });
        runs.get(subject.name)?.push(await takeRun(running, streams));
      } catch (error) {
        leaveOut('streams9k', subject.name, error);
        runs.delete(subject.name);
      } finally {
        await running?.stop();
      }
    }
  }
  return toResult(runs);

  async function takeRun(subject: RunningSubject, count: number): Promise<Run> {
    const { url, headers } = subject;
    const { paceMs, holdMs } = options;
    const finishUrl = `${context.upstreams.streamOrigin}/finish`;
    const settings = { url, headers, bodyFile, paceMs, finishUrl };
    const warmUp = await runClient({ ...settings, streams: Math.min(count, warmUpStreams), holdMs: 1 });
    if (warmUp.whole === 0) throw new Error(`no stream came to its end; ${warmUp.failed} failed`);
    const rssBeforeMb = subject.rssMb();
    const samples: { rssMb: number; cpuMs: number; atMs: number }[] = [];
    const report = await runClient({ ...settings, streams: count, holdMs }, () =>
      samples.push({ rssMb: subject.rssMb(), cpuMs: subject.cpuMs(), atMs: performance.now() }),
    );
    const first = samples[0] as (typeof samples)[number];
    const last = samples.at(-1) as (typeof samples)[number];
    const deltas = (report.opened * (last.atMs - first.atMs)) / paceMs;
    const rssMb = median(samples.map((sample) => sample.rssMb));
    return {
      ...report,
      rps: (report.opened * 1000) / report.openMs,
      rssMb,
      kbPerStream: ((rssMb - rssBeforeMb) * 1024) / report.opened,
      cpuUsPerDelta: ((last.cpuMs - first.cpuMs) * 1000) / deltas,
    };
  }
}

/** Runs the client to its end; calls `sample` every half second while all streams are open. */
async function runClient(settings: Record<string, unknown>, sample?: () => void): Promise<StreamReport> {
  const client = startChild(
    process.execPath,
    [fileURLToPath(new URL('../stream-client.ts', import.meta.url))],
    {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, STREAM_OPTIONS: JSON.stringify(settings) },
    },
  );
  let timer: NodeJS.Timeout | undefined;
  client.process.on('message', (message: Message) => {
    if (message.phase === 'open' && sample) timer = setInterval(sample, 500);
    if (message.phase === 'done') clearInterval(timer);
  });
  try {
    const signal = AbortSignal.timeout(300_000);
    for (;;) {
      const ended = once(client.process, 'exit', { signal }).then(() => {
        throw new Error(`the stream client ended: ${client.output().trim()}`);
      });
      ended.catch(() => undefined);
      const [message] = (await Promise.race([once(client.process, 'message', { signal }), ended])) as [
        Message,
      ];
      if (message.phase === 'done') return message.report;
    }
  } finally {
    clearInterval(timer);
    await client.stop();
  }
}

function readOpenFilesLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 20_000);
  } catch {
    return 20_000;
  }
}

function toResult(runs: ReadonlyMap<SubjectName, readonly Run[]>): CaseResult {
  const bare = runs.get('bare');
  const result: CaseResult = {};
  for (const [subject, own] of runs) {
    const middle = (figure: (run: Run) => number | null, digits: number) =>
      round(median(own.map((run) => figure(run) ?? Number.NaN)), digits);
    const overBare = (figure: (run: Run) => number, digits: number) =>
      bare
        ? round(
            median(own.slice(0, bare.length).map((run, index) => figure(run) / figure(bare[index] as Run))),
            digits,
          )
        : Number.NaN;
    result[subject] = {
      rps: middle((run) => run.rps, 1),
      p50Ms: middle((run) => run.deltaP50Ms, 3),
      p99Ms: middle((run) => run.deltaP99Ms, 3),
      rssMb: round(Math.max(...own.map((run) => run.rssMb)), 1),
      ratioToBare: overBare((run) => run.rps, 3),
      runs: own.map((run) => round(run.rps, 1)),
      streams: Math.min(...own.map((run) => run.opened)),
      kbPerStream: middle((run) => run.kbPerStream, 1),
      cpuUsPerDelta: middle((run) => run.cpuUsPerDelta, 1),
      kbPerStreamRatioToBare: overBare((run) => run.kbPerStream, 3),
      stalls: Math.max(...own.map((run) => run.stalls)),
      longestGapMs: round(Math.max(...own.map((run) => run.longestGapMs)), 0),
      notWhole: Math.max(...own.map((run) => run.opened - run.whole)),
      failed: Math.max(...own.map((run) => run.failed)),
      firstDeltaP99Ms: middle((run) => run.firstDeltaP99Ms, 2),
    };
  }
  return result;
}
