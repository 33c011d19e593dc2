import { createHash } from 'node:crypto';
import type { LedgerScope, ReadScope } from '../../limits/ledger.ts';
import { requireCount, requireCounts } from '../../limits/require-count.ts';

const maxScopes = 500;
const maxBuckets = 5_000;
// an index entry can hold 2,700 bytes
const maxTextBytes = 1_500;
// sums of it and of what is counted stay within 64 bits
const mostAmount = 2 ** 62;

/** A key or id as an index can hold it: what is no text for PostgreSQL or too long for an index is hashed. */
export function toIndexText(text: string): string {
  const isPlain = text.isWellFormed() && !text.includes('\0') && !text.startsWith('#');
  if (isPlain && (text.length <= maxTextBytes / 3 || Buffer.byteLength(text) <= maxTextBytes)) return text;
  // as JSON, which keeps lone surrogates distinct
  return `#${createHash('sha256').update(JSON.stringify(text)).digest('base64url')}`;
}

/** @throws TypeError as `Ledger.reserve` */
export function requireReservation(scopes: readonly LedgerScope[], leaseMs: number): void {
  requireLease(leaseMs);
  requireSizes(scopes);
  const keys = new Set<string>();
  for (const { key, amount, hold, charge } of scopes) {
    requireCount(hold, `The hold of "${key}"`);
    requireCount(charge, `The charge of "${key}"`);
    if (typeof amount !== 'number' || Number.isNaN(amount)) {
      throw new TypeError(`The amount of "${key}" is no number.`);
    }
    if (keys.has(key)) throw new TypeError(`Two scopes have the key "${key}".`);
    keys.add(key);
  }
}

/** @throws TypeError for an invalid lease */
export function requireLease(leaseMs: number): void {
  if (!(leaseMs >= 0)) throw new TypeError(`A lease of ${leaseMs} ms cannot be.`);
}

/** Charges or uses, null where one is left out; those beyond all scopes are ignored. @throws TypeError */
export function toCounts(values: readonly (number | undefined)[], what: string): (number | null)[] {
  const taken = values.slice(0, maxScopes);
  requireCounts(taken, what);
  return Array.from(taken, (value) => value ?? null);
}

/** @throws TypeError for more than one statement should take */
export function requireSizes(scopes: readonly ReadScope[]): void {
  const buckets = scopes.reduce((sum, { span }) => sum + span.buckets.length, 0);
  if (scopes.length <= maxScopes && buckets <= maxBuckets) return;
  throw new TypeError(`At most ${maxScopes} scopes and ${maxBuckets} buckets go into one call.`);
}

/** The most that may be used and held, as an integer: both are. */
export function toLimit(amount: number): string {
  const bounded = Math.max(-Number.MAX_SAFE_INTEGER, Math.min(amount, mostAmount));
  return BigInt(Math.floor(bounded)).toString();
}

/** An instant or a duration; anything further away counts as forever. */
export function toMs(ms: number): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Math.ceil(ms), Number.MAX_SAFE_INTEGER));
}
