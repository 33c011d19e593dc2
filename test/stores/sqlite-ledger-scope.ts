import type { LedgerScope } from '../../src/limits/ledger.ts';
import { forever } from '../../src/limits/window-span.ts';

/** A lifetime scope that blocks; when its lease runs out its hold is counted. */
export function scope(key: string, amount: number, hold = 1, charge = hold, span = forever): LedgerScope {
  return { key, amount, hold, charge, mode: 'block', span };
}
