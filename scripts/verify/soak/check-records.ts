import { readFile } from 'node:fs/promises';
import type { Noted } from './gateway-messages.ts';
import type { Asked } from './load.ts';

/** What records say of requests. */
export interface RecordCheck {
  readonly records: number;
  readonly attempts: number;
  /** Ids that are there twice. */
  readonly twice: number;
  /** Requests whose reply has no record. */
  readonly missing: readonly Asked[];
  /** Records of which nobody saw the reply: their gateway was killed as it went out. */
  readonly unseen: number;
  /** What requests ended with that were not answered, the most frequent first. */
  readonly ends: readonly string[];
}

/** Compares records with what callers saw. A process that was killed may have left half a line. */
export async function checkRecords(file: string, asked: readonly Asked[]): Promise<RecordCheck> {
  const seen = new Map<string, Noted>();
  const ends = new Map<string, number>();
  let twice = 0;
  let attempts = 0;
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const noted = parse(line);
    if (!noted) continue;
    if (seen.has(noted.id)) twice++;
    seen.set(noted.id, noted);
    attempts += noted.attempts;
  }
  const missing: Asked[] = [];
  let found = 0;
  for (const request of asked) {
    const { id, end } = request;
    if (id === undefined) continue;
    const noted = seen.get(id);
    if (!noted) missing.push(request);
    else found++;
    if (end !== 'answered') ends.set(noted?.end ?? end, (ends.get(noted?.end ?? end) ?? 0) + 1);
  }
  return {
    ...{ records: seen.size, attempts, twice, missing, unseen: seen.size - found },
    ends: [...ends].sort((one, other) => other[1] - one[1]).map(([end, count]) => `${count} × ${end}`),
  };
}

function parse(line: string): Noted | undefined {
  try {
    return JSON.parse(line) as Noted;
  } catch {
    return undefined;
  }
}
