import { ConfigFileError, toPlace } from './config-file-error.ts';

/**
 * Parses a JSON configuration. Unlike `JSON.parse`, refuses a name that occurs twice in one object: the second would
 * silently win, and with it perhaps a wider limit than the reader saw.
 *
 * @throws ConfigFileError with line and column
 */
export function parseJsonConfig(file: string, text: string): unknown {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (cause) {
    throw toSyntaxError(file, source, cause as SyntaxError);
  }
  const duplicate = findDuplicate(source);
  if (duplicate) {
    const reason = `the name ${duplicate.name} stands twice in the same object`;
    throw new ConfigFileError(file, reason, { place: toPlace(source, duplicate.offset) });
  }
  return value;
}

function toSyntaxError(file: string, source: string, cause: SyntaxError): ConfigFileError {
  const offset = positionOf(cause, source) ?? findOffender(source);
  const reason = cause.message.replace(/, (\.\.\.)?".*$/s, '').replace(/ (in JSON )?at position.*$/s, '');
  return new ConfigFileError(file, `not valid JSON: ${reason}`, { place: toPlace(source, offset), cause });
}

/** The position V8 gives; undefined for messages without one. */
function positionOf(error: SyntaxError, source: string): number | undefined {
  if (error.message.startsWith('Unexpected end of JSON input')) return source.length;
  const position = /at position (\d+)/.exec(error.message)?.[1];
  return position === undefined ? undefined : Number(position);
}

/** Binary search for the longest prefix that fails only because it ends. */
function findOffender(source: string): number {
  let low = 0;
  let high = source.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (isUnfinished(source.slice(0, middle))) low = middle;
    else high = middle;
  }
  return low;
}

function isUnfinished(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const position = positionOf(error as SyntaxError, beginning);
    return (
      position !== undefined &&
      (position >= beginning.length || /^Unterminated/.test((error as Error).message))
    );
  }
}

/** Walks a text known to be valid JSON. */
function findDuplicate(source: string): { readonly name: string; readonly offset: number } | undefined {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;
  const names: (Set<string> | undefined)[] = [];
  for (let match = token.exec(source); match; match = token.exec(source)) {
    const text = match[0];
    if (text === '{') names.push(new Set());
    else if (text === '[') names.push(undefined);
    else if (text === '}' || text === ']') names.pop();
    else if (isFollowedByColon(source, token.lastIndex)) {
      const name = JSON.parse(text) as string;
      const seen = names.at(-1);
      if (seen?.has(name)) return { name: text, offset: match.index };
      seen?.add(name);
    }
  }
  return undefined;
}

function isFollowedByColon(source: string, offset: number): boolean {
  const next = /\s*(.?)/y;
  next.lastIndex = offset;
  return next.exec(source)?.[1] === ':';
}
