import type { SqliteDatabase } from './database.ts';
import { idleCheckMs } from './sqlite-ledger-transitions.ts';
import type { LedgerTurn } from './sqlite-ledger-turn.ts';

const tidySize = 256;

const forgetOld = `DELETE FROM headgate_ledger_reservations WHERE sequence IN (
  SELECT sequence FROM headgate_ledger_reservations
  WHERE state <> 'held' AND ends_at_ms <= ? ORDER BY ends_at_ms LIMIT ?)`;
const findBuckets = `SELECT scope, bucket, used, held, is_kept FROM headgate_ledger_buckets
  WHERE check_at_ms <= ? ORDER BY check_at_ms LIMIT ${tidySize}`;
const forgetBucket = 'DELETE FROM headgate_ledger_buckets WHERE scope = ? AND bucket = ?';
const checkLater = 'UPDATE headgate_ledger_buckets SET check_at_ms = ? WHERE scope = ? AND bucket = ?';

/** Forgets some of the ids and buckets that nobody needs any more, the oldest first. */
export function tidy(turn: LedgerTurn, maxRemembered: number): void {
  const { database, nowMs } = turn;
  turn.ended -= database.run(forgetOld, nowMs, tidySize);
  const excess = Math.min(turn.ended - maxRemembered, tidySize);
  if (excess > 0) turn.ended -= database.run(forgetOld, Number.MAX_SAFE_INTEGER, excess);
  for (const { scope, bucket, used, held, is_kept } of database.all(findBuckets, nowMs)) {
    // a hold there ends with its lease, and is then counted there
    const isNeeded = Number(held) > 0 || (Number(is_kept) === 1 && Number(used) > 0);
    if (isNeeded) database.run(checkLater, nowMs + idleCheckMs, String(scope), Number(bucket));
    else database.run(forgetBucket, String(scope), Number(bucket));
  }
}

const findWork = `SELECT
  EXISTS (SELECT 1 FROM headgate_ledger_reservations WHERE state = 'held' AND ends_at_ms <= ?) OR
  EXISTS (SELECT 1 FROM headgate_ledger_reservations WHERE state <> 'held' AND ends_at_ms <= ?) OR
  EXISTS (SELECT 1 FROM headgate_ledger_buckets WHERE check_at_ms <= ?) OR
  EXISTS (SELECT 1 FROM headgate_ledger_clock WHERE ended > ?) AS work`;

/** Whether anything is due or to be forgotten. Reads only. */
export function hasWork(database: SqliteDatabase, nowMs: number, maxRemembered: number): boolean {
  return Number(database.get(findWork, nowMs, nowMs, nowMs, maxRemembered)?.work) === 1;
}
