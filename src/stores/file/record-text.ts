/** The header of a file of records, and its records. */
export interface RecordText {
  readonly header: Readonly<Record<string, unknown>>;
  readonly records: readonly Record<string, unknown>[];
}

const formatVersion = 1;

/** Records printed before, so that a change to one of ten thousand does not print the others again. */
const printed = new WeakMap<object, string>();

/** A JSON document with one record per line, so that diffs are readable. */
export function printRecords(kind: string, header: object, records: Iterable<object>): string {
  const lines: string[] = [];
  for (const record of records) {
    let line = printed.get(record);
    if (line === undefined) {
      line = JSON.stringify(record);
      // only what is frozen is sure to stay as it was printed
      if (Object.isFrozen(record)) printed.set(record, line);
    }
    lines.push(line);
  }
  const top = JSON.stringify({ format: kind, version: formatVersion, ...header });
  return `${top.slice(0, -1)},"records":[\n${lines.join(',\n')}\n]}\n`;
}

/** @throws Error saying what is wrong with the text */
export function parseRecords(text: string, kind: string): RecordText {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Error(`is damaged: ${(error as Error).message.replace(/, (\.\.\.)?".*$/s, '')}`);
  }
  if (!isObject(document) || document.format !== kind) throw new Error(`is no file of ${kind}`);
  const { version, records, ...header } = document;
  if (version !== formatVersion) {
    throw new Error(
      `is of format version ${JSON.stringify(version)}; this release reads version ${formatVersion}`,
    );
  }
  if (!Array.isArray(records)) throw new Error('is damaged: it has no "records"');
  const odd = records.findIndex((record) => !isObject(record));
  if (odd !== -1) throw new Error(`is damaged: record number ${odd + 1} is none`);
  return { header, records };
}

/** @throws Error naming the record when the field is not a non-empty string */
export function requireText(record: Record<string, unknown>, field: string, where: string): void {
  const value = record[field];
  if (typeof value !== 'string' || value === '') throw new Error(`is damaged: ${where} has no "${field}"`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
