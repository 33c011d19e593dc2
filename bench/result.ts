import type { BenchOptions } from './options.ts';
import type { Subject, SubjectName } from './subject.ts';
import type { Upstreams } from './upstreams.ts';

/** The result of one subject in one case: medians over its runs. An unavailable figure is `null` in the file. */
export interface SubjectResult {
  /** Replies a second; in `streams9k`, streams opened a second. */
  readonly rps: number;
  /** Request to whole reply; in `streams9k`, a delta's time from the upstream to the caller. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Resident memory of the subject's processes, the highest seen at the end of a run. */
  readonly rssMb: number;
  /** Its rps over that of `bare` in the same round, the median of the rounds. */
  readonly ratioToBare: number;
  /** The rps of each run. */
  readonly runs: readonly number[];
  readonly [extra: string]: number | readonly number[] | string;
}

export type CaseResult = { -readonly [name in SubjectName]?: SubjectResult };

/** What every case works with. */
export interface CaseContext {
  readonly options: BenchOptions;
  readonly subjects: readonly Subject[];
  readonly upstreams: Upstreams;
  /** For files of the run; removed at its end. */
  readonly directory: string;
  leaveOut(caseName: string, subject: SubjectName, error: unknown): void;
  progress(text: string): void;
}
