/** A configuration file that cannot be read: where, as exactly as known, and why. */
export class ConfigFileError extends TypeError {
  override readonly name = 'ConfigFileError';
  readonly file: string;
  /** Counted from 1; undefined if unknown. */
  readonly line: number | undefined;
  /** Counted from 1, in characters; undefined if unknown. */
  readonly column: number | undefined;
  /** What is wrong, without the place. */
  readonly reason: string;

  constructor(
    file: string,
    reason: string,
    options: { place?: SourcePlace | undefined; cause?: unknown } = {},
  ) {
    const { place, cause } = options;
    super(`${formatPlace(file, place)}: ${reason}`, cause === undefined ? undefined : { cause });
    this.file = file;
    this.line = place?.line;
    this.column = place?.column;
    this.reason = reason;
  }
}

/** A place in a text; both count from 1. */
export interface SourcePlace {
  readonly line: number;
  readonly column?: number | undefined;
}

/** `file:line:column`, as far as known; terminals and editors can open it. */
export function formatPlace(file: string, place: SourcePlace | undefined): string {
  if (!place) return file;
  return place.column === undefined ? `${file}:${place.line}` : `${file}:${place.line}:${place.column}`;
}

/** The place of an offset in a text. */
export function toPlace(text: string, offset: number): SourcePlace {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: before.length - lineStart + 1 };
}
