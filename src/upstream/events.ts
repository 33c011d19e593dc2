import { dataKind, parseObject } from '../dialects/stream-data.ts';

const lf = 10;
const cr = 13;

/** Offset after the blank line that ends the event at `start`; the end of the text when there is none. */
export function endOfEvent(text: string, start: number): number {
  const blankLine = text.indexOf('\n\n', start);
  if (blankLine >= 0 && !text.slice(start, blankLine).includes('\r')) return blankLine + 2;
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code !== lf && code !== cr) continue;
    const next = lineEnd(text, index);
    const blank = text.charCodeAt(next);
    if (blank === lf || blank === cr) return lineEnd(text, next);
    index = next - 1;
  }
  return text.length;
}

/** Offset after the last blank line; 0 when there is none. Looks no further back than `known` needs. */
export function endOfLastEvent(text: string, known = 0): number {
  const from = Math.max(1, known - 3);
  for (let index = text.length - 1; index >= from; index--) {
    const code = text.charCodeAt(index);
    if (code !== lf && code !== cr) continue;
    const start = code === lf && text.charCodeAt(index - 1) === cr ? index - 1 : index;
    const before = start > 0 ? text.charCodeAt(start - 1) : 0;
    // a CR after a LF at the very end is half of a CRLF
    const isHalf = code === cr && before === lf && index === text.length - 1;
    if ((before === lf || before === cr) && !isHalf) return index + 1;
    index = start;
  }
  return 0;
}

/** The data of one event, its lines joined; '' when it has none. */
export function dataOf(event: string): string {
  const lines: string[] = [];
  for (const line of event.split(/\r\n|\n|\r/)) {
    if (line.startsWith('data:')) lines.push(line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5));
  }
  return lines.join('\n');
}

/** Whether an event has data that is neither a JSON object nor `[DONE]`. */
export function isBrokenEvent(event: string): boolean {
  const data = dataOf(event);
  if (data === '') return false;
  const kind = dataKind(data);
  return kind === 'broken' || (kind === 'object' && parseObject(data) === undefined);
}

function lineEnd(text: string, index: number): number {
  return text.charCodeAt(index) === cr && text.charCodeAt(index + 1) === lf ? index + 2 : index + 1;
}

/** The name of one event; undefined when it has none. */
export function eventNameOf(event: string): string | undefined {
  return /(?:^|[\r\n])event: ?([^\r\n]*)/.exec(event)?.[1];
}

/** Whole events, one by one. */
export function splitEvents(text: string): string[] {
  const events: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = endOfEvent(text, start);
    events.push(text.slice(start, end));
    start = end;
  }
  return events;
}
