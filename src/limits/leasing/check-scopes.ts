import { checkLease } from '../../stores/memory/checks.ts';
import type { LedgerScope } from '../ledger.ts';

/** @throws TypeError for an invalid lease, a hold or charge that is no safe integer ≥ 0, or two scopes with one key */
export function checkScopes(scopes: readonly LedgerScope[], leaseMs: number): void {
  checkLease(leaseMs);
  for (let index = 0; index < scopes.length; index++) {
    const { key, hold, charge } = scopes[index] as LedgerScope;
    if (!Number.isSafeInteger(hold) || hold < 0 || !Number.isSafeInteger(charge) || charge < 0) {
      throw new TypeError(
        `A hold and a charge are safe integers of at least 0; "${key}" has ${hold} and ${charge}.`,
      );
    }
    for (let other = 0; other < index; other++) {
      if ((scopes[other] as LedgerScope).key === key)
        throw new TypeError(`Two scopes have the key "${key}".`);
    }
  }
}

/** Whether any scope's bucket is not the current one. */
export function isStale(scopes: readonly LedgerScope[], nowMs: number): boolean {
  for (let index = 0; index < scopes.length; index++) {
    const { span } = scopes[index] as LedgerScope;
    if (nowMs < span.fromMs || nowMs >= span.untilMs) return true;
  }
  return false;
}
