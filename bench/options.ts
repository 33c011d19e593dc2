import { parseArgs } from 'node:util';
import { isSubjectName, type SubjectName, subjectNames } from './subject.ts';

export const caseNames = [
  'json1k',
  'body400k',
  'sse200',
  'latency1',
  'streams9k',
  'rss1m',
  'import',
  'pipeline',
] as const;
export type CaseName = (typeof caseNames)[number];

export interface BenchOptions {
  readonly quick: boolean;
  readonly install: boolean;
  readonly cases: readonly CaseName[];
  readonly subjects: readonly SubjectName[];
  /** Processes of each subject in a throughput case, one after the other: even with the same code they differ. */
  readonly processes: number;
  /** Runs of each of them. */
  readonly rounds: number;
  readonly runMs: number;
  /** Subjects warm up for this long, then until `warmUpRequests` are answered, for `longestWarmUpMs` in all at most. */
  readonly warmUpMs: number;
  readonly warmUpRequests: number;
  readonly longestWarmUpMs: number;
  /** Rounds that run like all others but do not count. */
  readonly warmUpRounds: number;
  readonly streams: number;
  readonly streamRounds: number;
  /** How long all streams stay open. */
  readonly holdMs: number;
  readonly paceMs: number;
  /** Requests of `rss1m`, after the warm-up. */
  readonly requests: number;
  readonly coldStarts: number;
  readonly out: string;
}

export const help = `Usage: npm run bench -- [options]

  --quick            less of everything, in under two minutes; nothing is installed
  --only <cases>     ${caseNames.join(',')}
  --subjects <names> ${subjectNames.join(',')}
  --rounds <n>       runs of each subject in a case            (5; quick: 2)
  --processes <n>    times that each subject is started anew   (1)
  --seconds <n>      length of a run                           (2; quick: 1)
  --streams <n>      open streams of streams9k                 (9000; quick: 1000)
  --requests <n>     requests of rss1m                         (1000000; quick: 10000)
  --no-install       leave out peers that are not in bench/peers yet
  --out <file>       where the results go                      (bench/results/latest.json)
  --help             this text`;

/** @throws TypeError for an unknown or invalid option */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      subjects: { type: 'string' },
      rounds: { type: 'string' },
      processes: { type: 'string' },
      seconds: { type: 'string' },
      streams: { type: 'string' },
      requests: { type: 'string' },
      'no-install': { type: 'boolean', default: false },
      out: { type: 'string', default: 'bench/results/latest.json' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const { quick } = values;
  const rounds = toCount('rounds', values.rounds, quick ? 2 : 5);
  return {
    quick,
    install: !quick && !values['no-install'],
    cases: toList('only', values.only, caseNames, isCaseName),
    subjects: toList(
      'subjects',
      values.subjects,
      quick ? ['direct', 'bare', 'headgate'] : subjectNames,
      isSubjectName,
    ),
    processes: toCount('processes', values.processes, 1),
    rounds,
    runMs: toCount('seconds', values.seconds, quick ? 1 : 2) * 1000,
    warmUpMs: quick ? 1_000 : 3_000,
    warmUpRequests: 25_000,
    longestWarmUpMs: quick ? 2_000 : 12_000,
    warmUpRounds: quick ? 0 : 3,
    streams: toCount('streams', values.streams, quick ? 1_000 : 9_000),
    streamRounds: quick ? 1 : rounds,
    holdMs: quick ? 2_000 : 8_000,
    paceMs: quick ? 500 : 1_000,
    requests: toCount('requests', values.requests, quick ? 10_000 : 1_000_000),
    coldStarts: quick ? 3 : 15,
    out: values.out,
  };
}

function isCaseName(name: string): name is CaseName {
  return (caseNames as readonly string[]).includes(name);
}

function toCount(option: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new TypeError(`--${option} must be a whole number above 0`);
  return value;
}

function toList<Name extends string>(
  option: string,
  text: string | undefined,
  fallback: readonly Name[],
  isName: (name: string) => name is Name,
): readonly Name[] {
  if (text === undefined) return fallback;
  return text.split(',').map((name) => {
    if (!isName(name)) throw new TypeError(`--${option}: there is no "${name}"`);
    return name;
  });
}
