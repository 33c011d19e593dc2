import { openSync, readFileSync, writeSync } from 'node:fs';
import type { Entry, Journal } from './entries.ts';

/** A journal in a file, which has every entry as soon as it is written: a process that is killed takes none along. */
export function openJournal(path: string): Journal {
  const file = openSync(path, 'a');
  return { write: (entry) => void writeSync(file, `${JSON.stringify(entry)}\n`) };
}

/** Reads what a process has written; the line in which it was killed is left out. */
export function readJournal(path: string): Entry[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as Entry);
}
