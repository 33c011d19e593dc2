/** @throws TypeError unless `version` is the one after `expectedVersion` */
export function requireNextVersion(method: string, version: unknown, expectedVersion: number): void {
  if (Number.isSafeInteger(expectedVersion) && expectedVersion >= 0 && version === expectedVersion + 1)
    return;
  throw new TypeError(
    `${method}: the record's "version" must be ${expectedVersion} + 1, the version behind the expected one, and is ${String(version)}.`,
  );
}

/** @throws TypeError unless `limit` is from 1 to 1,000 */
export function requireLimit(method: string, limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= 1_000) return limit;
  throw new TypeError(`${method}: "limit" must be an integer from 1 to 1000.`);
}

/** Text that UTF-8 cannot encode would be stored, and found, as other text. @throws TypeError */
export function requireText(method: string, field: string, text: unknown): void {
  if (typeof text === 'string' && text.isWellFormed()) return;
  throw new TypeError(`${method}: "${field}" must be a string without lone surrogates.`);
}
