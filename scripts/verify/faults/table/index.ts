import { connectionRows } from './connection-rows.ts';
import { processRows } from './process-rows.ts';
import { refusalRows } from './refusal-rows.ts';
import { replyRows } from './reply-rows.ts';
import type { FaultRow } from './row.ts';
import { streamRows } from './stream-rows.ts';

/** Every fault that is looked at, by its id: numbers first. The runner and the guide read the same. */
export const faultTable: readonly FaultRow[] = [
  ...connectionRows,
  ...streamRows,
  ...replyRows,
  ...refusalRows,
  ...processRows,
].sort((one, other) => toOrder(one.id) - toOrder(other.id));

function toOrder(id: string): number {
  return /^\d/.test(id) ? Number(id) : 1_000 + id.charCodeAt(0);
}
