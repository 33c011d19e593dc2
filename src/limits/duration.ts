const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration such as `1m`; the schema has checked its form. */
export function toDurationMs(duration: string): number {
  return Number(duration.slice(0, -1)) * unitMs[duration.at(-1) as keyof typeof unitMs];
}

/** A duration in its largest whole unit, so that one length has one spelling: `60s` and `1m` are both `1m`. */
export function toDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  }
  return `${ms}ms`;
}
