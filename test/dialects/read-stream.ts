import { readFileSync } from 'node:fs';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { DialectName, StreamReader, StreamReaderOptions } from '../../src/dialects/dialect.ts';
import { dialectByName } from '../../src/dialects/index.ts';

/** What a reader made of a stream. */
export interface ReadStream {
  readonly reader: StreamReader;
  readonly verdicts: readonly string[];
  readonly dropped: readonly string[];
}

/** Text of a fixture. */
export function readFixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}.txt`, import.meta.url), 'utf8');
}

/** Feeds a stream, in pieces of `pieceBytes`, to a reader by way of the parser that the gateway uses. */
export function readStream(
  dialect: DialectName,
  text: string,
  options: StreamReaderOptions = { dropUsage: false },
  pieceBytes = Number.POSITIVE_INFINITY,
): ReadStream {
  const reader = dialectByName[dialect].createStreamReader(options);
  const verdicts: string[] = [];
  const dropped: string[] = [];
  const parser = createParser({
    onEvent(event: EventSourceMessage) {
      const verdict = reader.read(event);
      verdicts.push(verdict);
      if (verdict === 'drop') dropped.push(event.data);
    },
  });
  const bytes = new TextEncoder().encode(text);
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    parser.feed(decoder.decode(bytes.subarray(at, at + pieceBytes), { stream: true }));
  }
  return { reader, verdicts, dropped };
}

/** What a reader found, as plain data. */
export function findingsOf({ reader }: ReadStream) {
  const { whole, usage, error, hasContent, malformed } = reader;
  return { whole, usage, error, hasContent, malformed };
}

/** One event without a name. */
export function toData(value: unknown): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
}

/** One event with its name, as typed protocols send it. */
export function toTyped(value: { readonly type: string }): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}
