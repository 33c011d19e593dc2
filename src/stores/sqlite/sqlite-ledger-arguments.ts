import type { LedgerScope, ReadScope } from '../../limits/ledger.ts';
import { requireCount, requireCounts } from '../../limits/require-count.ts';

const maxScopes = 500;
const maxBuckets = 5_000;

/** A text as it is stored: what is not well-formed, or has a zero byte, would be stored or read as other text. */
export function toStoredText(text: string): string {
  return text.startsWith('"') || text.includes('\0') || !text.isWellFormed() ? JSON.stringify(text) : text;
}

/** An instant as it is stored: anything further away counts as forever. */
export function toInstant(ms: number): number {
  return Math.floor(Math.max(-Number.MAX_SAFE_INTEGER, Math.min(ms, Number.MAX_SAFE_INTEGER)));
}

/** @throws TypeError as `Ledger.reserve` */
export function requireScopes(scopes: readonly LedgerScope[]): void {
  requireSpans(scopes);
  const keys = new Set<string>();
  for (const { key, amount, hold, charge, span } of scopes) {
    requireCount(hold, `The hold of "${key}"`);
    requireCount(charge, `The charge of "${key}"`);
    if (typeof amount !== 'number' || Number.isNaN(amount))
      throw new TypeError(`The amount of "${key}" is no number.`);
    if (Number.isNaN(span.forgetMs)) throw new TypeError(`The span of "${key}" is forgotten at no instant.`);
    if (keys.has(key)) throw new TypeError(`Two scopes have the key "${key}".`);
    keys.add(key);
  }
}

/** @throws TypeError for buckets that cannot be stored, or too many */
export function requireSpans(scopes: readonly ReadScope[]): void {
  let buckets = 0;
  for (const { key, span } of scopes) {
    buckets += span.buckets.length;
    if (!Number.isSafeInteger(span.bucket) || !span.buckets.every(Number.isSafeInteger))
      throw new TypeError(`A bucket of "${key}" is no safe integer.`);
  }
  if (scopes.length > maxScopes || buckets > maxBuckets)
    throw new TypeError(`At most ${maxScopes} scopes and ${maxBuckets} buckets go into one reservation.`);
}

/** The counts that can be a scope's. @throws TypeError for one that is no safe integer ≥ 0 */
export function toCounts(counts: readonly number[], what: string): readonly number[] {
  const some = counts.slice(0, maxScopes);
  requireCounts(some, what);
  return some;
}

/** @throws TypeError */
export function requireLease(leaseMs: number): void {
  if (leaseMs >= 0 && leaseMs <= Number.MAX_SAFE_INTEGER / 2) return;
  throw new TypeError(`A lease of ${leaseMs} ms cannot be.`);
}
