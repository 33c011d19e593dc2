import { tolerance } from './settings.ts';

/** One figure against what is promised. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: Unit;
  /** The promise, as the greatest value; or the least one, for figures that show that the measurement measured. */
  readonly limit: number;
  readonly isLeast: boolean;
  readonly verdict: Verdict;
  /** More to know, for the table. */
  readonly note: string;
}

/** `MB` are millions of bytes, `times` a factor. */
export type Unit = 'ms' | 'us' | 'MB' | 'times' | 'count';

/** `late` misses the promise by less than the tolerance: said, and no failure. */
export type Verdict = 'ok' | 'late' | 'FAIL';

/** A measure, of time unless told otherwise, that may be missed by the tolerance, since machines differ. */
export function toTime(
  what: string,
  value: number,
  limit: number,
  note: string,
  unit: Exclude<Unit, 'count'> = 'ms',
): Figure {
  const verdict = value <= limit ? 'ok' : value <= limit * tolerance ? 'late' : 'FAIL';
  return { what, value, unit, limit, isLeast: false, verdict, note };
}

/** A number of things that must not happen. */
export function toNone(what: string, value: number, note = ''): Figure {
  return { what, value, unit: 'count', limit: 0, isLeast: false, verdict: value === 0 ? 'ok' : 'FAIL', note };
}

/** A number that may not be exceeded. */
export function toMost(what: string, value: number, limit: number, note = ''): Figure {
  return { what, value, unit: 'count', limit, isLeast: false, verdict: value <= limit ? 'ok' : 'FAIL', note };
}

/** Shows that something was measured at all. */
export function toLeast(what: string, value: number, limit: number, note = ''): Figure {
  return { what, value, unit: 'count', limit, isLeast: true, verdict: value >= limit ? 'ok' : 'FAIL', note };
}

/** Whether nothing failed; a run without figures has shown nothing. */
export function isPass(figures: readonly Figure[]): boolean {
  return figures.length > 0 && figures.every(({ verdict }) => verdict !== 'FAIL');
}

/** A table, one figure a line. */
export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, unit, limit, isLeast, verdict, note }) => [
    verdict.padEnd(4),
    what,
    toText(value, unit),
    `${isLeast ? '≥' : '≤'} ${toText(limit, unit)}`,
    note,
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        // numbers to the right
        .map((cell, column) =>
          column === 2 || column === 3
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function toText(value: number, unit: Figure['unit']): string {
  if (unit === 'count') return String(value);
  if (unit === 'times') return `${value.toFixed(2)} ×`;
  return `${value.toFixed(value < 100 ? 1 : 0)} ${unit === 'us' ? 'µs' : unit}`;
}
