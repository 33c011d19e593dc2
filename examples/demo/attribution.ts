import type { RequestRecord } from 'headgate';

/** What one team used. */
interface Row {
  requests: number;
  inputTokens: number;
  outputTokens: number;
  costNanoUsd: number;
  failovers: number;
  refused: number;
}

/** Adds up records by team. */
export function attributeByTeam(records: readonly RequestRecord[]): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const record of records) {
    const team = record.team ?? '(no valid key)';
    const row = rows.get(team) ?? {
      requests: 0,
      inputTokens: 0,
      outputTokens: 0,
      costNanoUsd: 0,
      failovers: 0,
      refused: 0,
    };
    rows.set(team, row);
    row.requests++;
    row.inputTokens += record.usage?.inputTokens ?? 0;
    row.outputTokens += record.usage?.outputTokens ?? 0;
    row.costNanoUsd += record.costNanoUsd ?? 0;
    row.failovers += record.outcome === 'complete' && record.attempts.length > 1 ? 1 : 0;
    row.refused += record.outcome === 'refused' ? 1 : 0;
  }
  return rows;
}

/** The rows as a table for a terminal. */
export function renderAttribution(rows: Map<string, Row>): string {
  const head = ['team', 'requests', 'tokens in', 'tokens out', 'cost (USD)', 'failovers', 'refused'];
  const lines = [...rows].map(([team, row]) => [
    team,
    String(row.requests),
    String(row.inputTokens),
    String(row.outputTokens),
    (row.costNanoUsd / 1e9).toFixed(6),
    String(row.failovers),
    String(row.refused),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line[column] as string).length)),
  );
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
      )
      .join('   ');
  return [toLine(head), widths.map((width) => '-'.repeat(width)).join('   '), ...lines.map(toLine)].join(
    '\n',
  );
}
