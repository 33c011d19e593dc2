/** For each option its default, minimum and maximum. */
export type IntegerBounds<Name extends string> = Readonly<
  Record<Name, readonly [fallback: number, min: number, max: number]>
>;

/**
 * Checks integer options and fills in defaults.
 *
 * @param owner what precedes an option's name in errors: `createRedisStores: "ledger.`
 * @throws TypeError for an option out of its bounds
 */
export function resolveIntegers<Name extends string>(
  bounds: IntegerBounds<Name>,
  options: Readonly<Partial<Record<NoInfer<Name>, number | undefined>>>,
  owner: string,
): Readonly<Record<Name, number>> {
  const resolved = {} as Record<Name, number>;
  for (const name of Object.keys(bounds) as Name[]) {
    const [fallback, min, max] = bounds[name];
    const value = options[name] ?? fallback;
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new TypeError(`${owner}${name}" must be an integer from ${min} to ${max}.`);
    }
    resolved[name] = value;
  }
  return resolved;
}
