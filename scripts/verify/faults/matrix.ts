/** One line of the matrix: a case or a scenario. */
export interface MatrixLine {
  readonly row: string;
  readonly name: string;
  readonly verdict: 'ok' | 'FAIL' | 'skip';
  /** What is not as expected, or why it was skipped, or figures. */
  readonly notes: readonly string[];
  /** How often it was run. */
  readonly runs: number;
  readonly ms: number;
}

/** Lines as text, what is wrong indented below. */
export function formatMatrix(lines: readonly MatrixLine[]): string {
  return lines
    .flatMap(({ row, name, verdict, notes, runs, ms }) => [
      `${verdict.padEnd(4)}  ${row.padStart(2)}  ${name}  (${runs} run${runs === 1 ? '' : 's'}, ${ms.toFixed(0)} ms)`,
      ...notes.map((note) => `          ${note}`),
    ])
    .join('\n');
}
