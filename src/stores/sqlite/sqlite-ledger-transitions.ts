import type { LedgerScope, ReadScope, ReserveResult, ScopeState } from '../../limits/ledger.ts';
import type { SqliteDatabase } from './database.ts';
import { toInstant, toStoredText } from './sqlite-ledger-arguments.ts';
import {
  DamagedReservation,
  parseReservation,
  type RecordedScope,
  type ReservationRecord,
  serializeRecord,
  toAnswer,
  toRecord,
} from './sqlite-ledger-record.ts';
import type { LedgerTurn } from './sqlite-ledger-turn.ts';

/**
 * Returned by a call that needs another turn: it would be denied, and not all leases that have run out are ended yet.
 */
export const again = Symbol('again');

const sweepSize = 64;
const mostCounted = Number.MAX_SAFE_INTEGER;
const findReservation =
  'SELECT sequence, state, ends_at_ms, record FROM headgate_ledger_reservations WHERE id = ?';
const insertReservation =
  'INSERT INTO headgate_ledger_reservations (id, state, ends_at_ms, record) VALUES (?, ?, ?, ?)';
const endReservation = 'UPDATE headgate_ledger_reservations SET state = ?, ends_at_ms = ? WHERE sequence = ?';
const findDue = `SELECT sequence, record FROM headgate_ledger_reservations
  WHERE state = 'held' AND ends_at_ms <= ? ORDER BY ends_at_ms LIMIT ${sweepSize}`;
const readBuckets = 'SELECT bucket, used, held, check_at_ms FROM headgate_ledger_buckets WHERE scope = ? AND';
const readBucket = `${readBuckets} bucket = ?`;
const readBucketsBetween = `${readBuckets} bucket BETWEEN ? AND ?`;
const holdInBucket = `INSERT INTO headgate_ledger_buckets (scope, bucket, used, held, is_kept, check_at_ms)
  VALUES (?, ?, 0, ?, ?, ?)
  ON CONFLICT (scope, bucket) DO UPDATE SET held = held + excluded.held`;
const keepLonger = 'UPDATE headgate_ledger_buckets SET check_at_ms = ? WHERE scope = ? AND bucket = ?';
const postToBucket = `UPDATE headgate_ledger_buckets
  SET used = min(max(used + ?, 0), ${mostCounted}), held = max(held - ?, 0)
  WHERE scope = ? AND bucket = ?`;
const postToNewBucket = `INSERT INTO headgate_ledger_buckets (scope, bucket, used, held, is_kept, check_at_ms)
  VALUES (?, ?, ?, 0, ?, ?)`;

/** How long a bucket that never ends is left alone before it is checked whether it is empty. */
export const idleCheckMs = 3_600_000;

/** See `Ledger.reserve`; the arguments were checked. */
export function reserve(
  turn: LedgerTurn,
  id: string,
  scopes: readonly LedgerScope[],
  leaseMs: number,
): ReserveResult | typeof again {
  const { database, nowMs } = turn;
  const storedId = toStoredText(id);
  const known = database.get(findReservation, storedId);
  if (known !== undefined) return toAnswer(parseReservation(known.record));
  if (scopes.some(({ span }) => nowMs < span.fromMs || nowMs >= span.untilMs))
    return { kind: 'stale', nowMs };
  const checks = new Map<string, number>();
  let before = scopes.map((scope) => readScope(database, scope, checks));
  let deniedAt = findFull(scopes, before);
  while (deniedAt >= 0 && turn.isMoreDue && turn.hasTime()) {
    expireDue(turn);
    before = scopes.map((scope) => readScope(database, scope));
    deniedAt = findFull(scopes, before);
  }
  if (deniedAt >= 0) {
    if (turn.isMoreDue) return again;
    const record = toRecord(scopes, before, deniedAt);
    const forgetMs = toInstant(nowMs + turn.rememberDeniedMs);
    database.run(insertReservation, storedId, 'denied', forgetMs, serializeRecord(record));
    turn.ended++;
    return toAnswer(record);
  }
  // what only counts holds no more than can be counted exactly
  const fitting = scopes.map((scope, index) => {
    const { used, held } = before[index] as ScopeState;
    return { ...scope, hold: Math.min(scope.hold, Math.max(0, mostCounted - used - held)) };
  });
  const after = before.map((state, index) => ({
    ...state,
    held: state.held + (fitting[index] as LedgerScope).hold,
  }));
  const record = toRecord(fitting, after, -1);
  for (const scope of record.scopes) {
    const { isKept, checkAtMs } = keeping(scope, nowMs);
    const stored = toStoredText(scope.key);
    database.run(holdInBucket, stored, scope.bucket, scope.hold, isKept, checkAtMs);
    // the end of its window may have been moved since it was begun
    const isLonger = isKept === 0 && checkAtMs > (checks.get(scope.key) ?? checkAtMs);
    if (isLonger) database.run(keepLonger, checkAtMs, stored, scope.bucket);
  }
  const expiresMs = toInstant(nowMs + Math.ceil(leaseMs));
  database.run(insertReservation, storedId, 'held', expiresMs, serializeRecord(record));
  return toAnswer(record);
}

/** See `Ledger.renew`; the arguments were checked. */
export function renew(
  turn: LedgerTurn,
  id: string,
  leaseMs: number,
  charges: readonly number[] | undefined,
): boolean {
  const { database, nowMs } = turn;
  const row = database.get(findReservation, toStoredText(id));
  if (row?.state !== 'held') return false;
  const record = parseReservation(row.record);
  if (Number(row.ends_at_ms) <= nowMs) {
    expire(turn, Number(row.sequence), record);
    return false;
  }
  const renewed = {
    ...record,
    scopes: record.scopes.map((scope, index) => ({ ...scope, charge: charges?.[index] ?? scope.charge })),
  };
  const sql = 'UPDATE headgate_ledger_reservations SET ends_at_ms = ?, record = ? WHERE sequence = ?';
  const expiresMs = toInstant(nowMs + Math.ceil(leaseMs));
  database.run(sql, expiresMs, charges ? serializeRecord(renewed) : String(row.record), Number(row.sequence));
  return true;
}

/** See `Ledger.settle`; the arguments were checked. */
export function settle(turn: LedgerTurn, id: string, used: readonly number[]): void {
  const row = turn.database.get(findReservation, toStoredText(id));
  if (row?.state !== 'held' && row?.state !== 'expired') return;
  const { scopes } = parseReservation(row.record);
  const isHeld = row.state === 'held';
  for (const [index, scope] of scopes.entries()) {
    // the use replaces what an expiry has charged
    post(turn, scope, (used[index] ?? 0) - (isHeld ? 0 : scope.charge), isHeld ? scope.hold : 0);
  }
  end(turn, Number(row.sequence), 'settled', isHeld);
}

/** Ends some of the leases that have run out, the oldest first. */
export function expireDue(turn: LedgerTurn): void {
  const due = turn.database.all(findDue, turn.nowMs);
  for (const row of due) {
    try {
      expire(turn, Number(row.sequence), parseReservation(row.record));
    } catch (error) {
      if (!(error instanceof DamagedReservation)) throw error;
      // left in place it would be the oldest forever, and nothing behind it would end
      end(turn, Number(row.sequence), 'damaged', true);
    }
  }
  turn.isMoreDue = due.length === sweepSize;
}

/**
 * How full a scope is. Sums stop at the largest safe integer, which no amount exceeds.
 *
 * @param checks takes, by key, when the scope's bucket is checked next, if there is one
 */
export function readScope(
  database: SqliteDatabase,
  { key, amount, span }: ReadScope,
  checks?: Map<string, number>,
): ScopeState {
  const { buckets } = span;
  const stored = toStoredText(key);
  const rows =
    buckets.length === 1
      ? database.all(readBucket, stored, buckets[0] as number)
      : database.all(readBucketsBetween, stored, Math.min(...buckets), Math.max(...buckets));
  let used = 0;
  let held = 0;
  for (const row of rows) {
    if (!buckets.includes(Number(row.bucket))) continue;
    if (row.bucket === span.bucket) checks?.set(key, Number(row.check_at_ms));
    used = Math.min(used + Number(row.used), mostCounted);
    held = Math.min(held + Number(row.held), mostCounted);
  }
  return { key, used, held, amount };
}

function findFull(scopes: readonly LedgerScope[], states: readonly ScopeState[]): number {
  return scopes.findIndex(({ mode, hold, amount }, index) => {
    const { used, held } = states[index] as ScopeState;
    return mode === 'block' && hold > Math.min(amount, mostCounted) - used - held;
  });
}

function expire(turn: LedgerTurn, sequence: number, { scopes }: ReservationRecord): void {
  for (const scope of scopes) post(turn, scope, scope.charge, scope.hold);
  end(turn, sequence, 'expired', true);
}

function end(turn: LedgerTurn, sequence: number, state: string, wasHeld: boolean): void {
  turn.database.run(endReservation, state, toInstant(turn.nowMs + turn.rememberMs), sequence);
  if (wasHeld) turn.ended++;
}

function post({ database, nowMs }: LedgerTurn, scope: RecordedScope, used: number, held: number): void {
  const stored = toStoredText(scope.key);
  if (database.run(postToBucket, used, held, stored, scope.bucket) > 0 || used <= 0) return;
  // nothing was counted in it, so it was dropped
  const { isKept, checkAtMs } = keeping(scope, nowMs);
  database.run(postToNewBucket, stored, scope.bucket, used, isKept, checkAtMs);
}

function keeping({ forgetMs }: RecordedScope, nowMs: number): { isKept: number; checkAtMs: number } {
  return forgetMs === null
    ? { isKept: 1, checkAtMs: nowMs + idleCheckMs }
    : { isKept: 0, checkAtMs: forgetMs };
}
