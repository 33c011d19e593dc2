import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runImportCase } from './cases/cold-import.ts';
import { runPipelineCase } from './cases/pipeline.ts';
import { runSteadyMemoryCase } from './cases/steady-memory.ts';
import { runStreamsCase } from './cases/streams.ts';
import { runThroughputCase } from './cases/throughput.ts';
import { loadGenerator } from './load.ts';
import { describeMachine, describeVersions } from './machine.ts';
import { type BenchOptions, type CaseName, help, parseOptions } from './options.ts';
import { installPeers, toReason } from './peers.ts';
import { formatCase, type Report, writeReport } from './report.ts';
import type { CaseContext, CaseResult } from './result.ts';
import { subjects as allSubjects } from './subjects.ts';
import { startUpstreams } from './upstreams.ts';

async function run(options: BenchOptions): Promise<void> {
  const leftOut: Record<string, string> = {};
  const failures = options.install ? await installPeers(options.subjects) : new Map<string, string>();
  const chosen = allSubjects.filter(({ name }) => options.subjects.includes(name));
  const subjects = chosen.filter((subject) => {
    const reason = failures.get(subject.name) ?? subject.missing();
    if (reason !== undefined) leftOut[subject.name] = reason;
    return reason === undefined;
  });

  const directory = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  // nginx started by root reads its files as another user
  chmodSync(directory, 0o755);
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const upstreams = await startUpstreams(directory, options.paceMs);
  const report: Report = {
    machine: describeMachine(),
    versions: describeVersions(subjects),
    method: {
      loadGenerator,
      jsonUpstream: upstreams.jsonKind,
      streamUpstream: 'bench/mock.ts',
      quick: options.quick,
      processes: options.processes,
      rounds: options.rounds,
      runMs: options.runMs,
      warmUpMs: options.warmUpMs,
      warmUpRequests: options.warmUpRequests,
      longestWarmUpMs: options.longestWarmUpMs,
      warmUpRounds: options.warmUpRounds,
      paceMs: options.paceMs,
      holdMs: options.holdMs,
    },
    cases: {},
    leftOut,
  };
  const context: CaseContext = {
    options,
    subjects,
    upstreams,
    directory,
    progress: (text) => console.error(text),
    leaveOut(caseName, subject, error) {
      console.error(
        `${caseName} ${subject}: ${(error instanceof Error ? error.message : String(error)).slice(0, 1_500)}`,
      );
      leftOut[`${caseName} ${subject}`] = toReason(error, 'first');
    },
  };
  try {
    for (const name of options.cases) {
      const result = await runCase(name, context);
      report.cases[name] = result;
      console.log(`\n${formatCase(name, result)}`);
      if (name in upstreamShare) warnOfSlowUpstream(name, result as CaseResult);
      writeReport(report, options.out);
    }
  } finally {
    await upstreams.stop();
  }
  for (const [name, reason] of Object.entries(leftOut)) console.log(`\nleft out: ${name}: ${reason}`);
}

function runCase(name: CaseName, context: CaseContext): Promise<CaseResult | Record<string, unknown>> {
  switch (name) {
    case 'streams9k':
      return runStreamsCase(context);
    case 'rss1m':
      return runSteadyMemoryCase(context);
    case 'import':
      return runImportCase(context);
    case 'pipeline':
      return runPipelineCase(context);
    default:
      return runThroughputCase(name, context);
  }
}

/** How much faster than the bare proxy the upstream must be for ratios between proxies to mean something. */
const upstreamShare: { [name in CaseName]?: number } = { json1k: 2, body400k: 2, sse200: 2 };

function warnOfSlowUpstream(name: CaseName, result: CaseResult): void {
  const { direct, bare } = result;
  const wanted = upstreamShare[name] ?? 0;
  if (direct && bare && direct.rps < bare.rps * wanted) {
    console.log(
      `note: the upstream alone is only ${(direct.rps / bare.rps).toFixed(2)} times the bare proxy`,
    );
  }
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') console.log(help);
  else await run(options);
} catch (error) {
  console.error(error instanceof TypeError ? `${error.message}\n\n${help}` : error);
  process.exit(1);
}
process.exit(0);
