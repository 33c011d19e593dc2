import type { Style } from './style.ts';

/** Printed for an empty value. */
export const nothingHere = '-';

/** Aligned columns under a head; at least one row. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly (string | undefined)[])[],
  style: Style,
): string {
  const cells = rows.map((row) => row.map(toCell));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const toLine = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${[style.bold(toLine(head)), ...cells.map(toLine)].join('\n')}\n`;
}

/** One line for each value within an object, by its path. */
export function renderFields(value: unknown): string {
  const rows: [string, string][] = [];
  flatten(value, '', rows);
  const width = Math.max(0, ...rows.map(([path]) => path.length));
  return rows.map(([path, text]) => `${path.padEnd(width)}  ${text}\n`).join('');
}

/** An instant as ISO 8601. */
export function toTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function flatten(value: unknown, path: string, rows: [string, string][]): void {
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  if (Array.isArray(value) && !isEmpty) {
    if (value.every((part) => typeof part !== 'object')) rows.push([path, value.map(toCell).join(', ')]);
    else for (const [index, part] of value.entries()) flatten(part, `${path}[${index}]`, rows);
  } else if (typeof value === 'object' && value !== null && !isEmpty) {
    for (const [name, part] of Object.entries(value))
      flatten(part, path === '' ? name : `${path}.${name}`, rows);
  } else {
    rows.push([toCell(path), typeof value === 'object' ? JSON.stringify(value) : toCell(String(value))]);
  }
}

/** Text from others must not control the terminal or break a line. */
export function toCell(value: unknown): string {
  const text = value === undefined || value === '' ? nothingHere : String(value);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}
