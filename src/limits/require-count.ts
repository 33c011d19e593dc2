/** @throws TypeError for what a ledger cannot count with: anything but a safe integer of at least 0 */
export function requireCount(count: number, what: string): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw new TypeError(`${what} is ${count}: it must be a safe integer of at least 0.`);
}

/** The same for each that is given. @throws TypeError */
export function requireCounts(counts: readonly (number | undefined)[], what: string): void {
  for (let index = 0; index < counts.length; index++) {
    const count = counts[index];
    if (count !== undefined) requireCount(count, what);
  }
}
