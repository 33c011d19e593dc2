import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CaseName } from './options.ts';
import type { CaseResult } from './result.ts';

/** What `bench/results/latest.json` holds. */
export interface Report {
  readonly machine: Record<string, unknown>;
  readonly versions: Record<string, string>;
  /** How it was measured: load generator, upstream, rounds, lengths. */
  readonly method: Record<string, unknown>;
  readonly cases: { [name in CaseName]?: CaseResult | Record<string, unknown> };
  /** By subject, or by `case subject` where it failed in one case only. */
  readonly leftOut: Record<string, string>;
}

/** Writes the report; figures that are unavailable are `null`. */
export function writeReport(report: Report, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
}

const columns = ['rps', 'p50Ms', 'p99Ms', 'rssMb', 'ratioToBare'];

/** One case as a table: the common columns, then whatever else the case has. */
export function formatCase(name: string, result: CaseResult | Record<string, unknown>): string {
  const rows = Object.entries(result as Record<string, Record<string, unknown>>);
  if (rows.length === 0) return `${name}: nothing was measured`;
  const known = columns.filter((column) => rows.some(([, row]) => isShown(row[column])));
  const extra = new Set(rows.flatMap(([, row]) => Object.keys(row)));
  for (const column of [...columns, 'runs']) extra.delete(column);
  const header = [name, ...known, ...extra];
  const lines = [
    header,
    ...rows.map(([subject, row]) => [subject, ...header.slice(1).map((key) => show(row[key]))]),
  ];
  const widths = header.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, index) =>
          index === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[index] as number),
        )
        .join('  '),
    )
    .join('\n');
}

function isShown(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'number' && !Number.isNaN(value));
}

function show(value: unknown): string {
  return isShown(value) ? String(value) : '-';
}
