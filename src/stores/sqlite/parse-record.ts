import { refusal } from './failure.ts';

/**
 * Parses a JSON column.
 *
 * @throws Error naming the row when it is not JSON; without the parser's own message, which quotes the text
 */
export function parseRecord<T>(file: string, row: string, json: unknown): T {
  try {
    return JSON.parse(String(json)) as T;
  } catch {
    throw refusal(file, `${row} is damaged; it was left as it is: restore the database from a backup.`);
  }
}
