/** `value` if it is an integer in [min, max], or the default. @throws TypeError naming the option */
export function readInteger(
  option: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  const given = value ?? fallback;
  if (!Number.isSafeInteger(given) || given < min || given > max) {
    throw new TypeError(`${option} must be an integer from ${min} to ${max}.`);
  }
  return given;
}

/** Longest wait that a timer can be set to. */
export const maxTimerMs = 2_147_483_647;
