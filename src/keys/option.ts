/** `value` if it is an integer in [min, max]. @throws TypeError naming the option */
export function requireInteger(
  option: string,
  value: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
  owner = 'createKeyResolver',
): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new TypeError(`${owner}: "${option}" must be an integer from ${min} to ${max}.`);
  }
  return value;
}
