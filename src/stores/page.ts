/** How many to list. @throws TypeError when it is no integer from 1 to 1,000 */
export function requirePageSize(method: string, limit = 100): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) {
    throw new TypeError(`${method}: "limit" must be an integer from 1 to 1,000.`);
  }
  return limit;
}
