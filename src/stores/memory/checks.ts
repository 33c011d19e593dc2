import type { LedgerScope } from '../../limits/ledger.ts';

function isAmount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * @returns whether a span is not the current one
 * @throws TypeError for an invalid lease, hold or charge
 */
export function isStale(scopes: readonly LedgerScope[], leaseMs: number, atMs: number): boolean {
  checkLease(leaseMs);
  let stale = false;
  for (let index = 0; index < scopes.length; index++) {
    const { key, hold, charge, span } = scopes[index] as LedgerScope;
    if (!isAmount(hold) || !isAmount(charge)) {
      throw new TypeError(
        `A hold and a charge are safe integers of at least 0; "${key}" has ${hold} and ${charge}.`,
      );
    }
    if (atMs < span.fromMs || atMs >= span.untilMs) stale = true;
  }
  return stale;
}

/** @throws TypeError for a lease that is not a number of milliseconds ≥ 0 */
export function checkLease(leaseMs: number): void {
  if (!(leaseMs >= 0))
    throw new TypeError(`A lease is a number of milliseconds of at least 0, not ${leaseMs}.`);
}

/** @throws TypeError when one of the first `count` is given and not a safe integer ≥ 0 */
export function checkAmounts(amounts: readonly number[], count: number, what: string): void {
  for (let index = 0; index < count; index++) {
    const amount = amounts[index];
    if (amount !== undefined && !isAmount(amount)) {
      throw new TypeError(`A ${what} is a safe integer of at least 0, not ${amount}.`);
    }
  }
}
