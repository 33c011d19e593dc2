/** Nearest rank; `NaN` for no values. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  const rank = Math.max(1, Math.ceil((sorted.length * percent) / 100));
  return sorted[rank - 1] ?? Number.NaN;
}

/** The middle and the ends of a distribution. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Spread of some values. */
export function toSpread(values: readonly number[]): Spread {
  const of = (percent: number) => percentile(values, percent);
  return { count: values.length, p50: of(50), p99: of(99), max: of(100) };
}
