import type { LedgerScope, Span } from '../../src/limits/ledger.ts';

export const forever: Span = {
  bucket: 0,
  buckets: [0],
  fromMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  forgetMs: Number.POSITIVE_INFINITY,
};

/** A lifetime scope that blocks; when its lease runs out its hold is counted. */
export function scope(key: string, amount: number, hold = 1, charge = hold, span = forever): LedgerScope {
  return { key, amount, hold, charge, mode: 'block', span };
}
