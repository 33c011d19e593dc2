/** For each option its default, and the least and the most that it may be. */
export type IntegerBounds<Name extends string> = Readonly<
  Record<Name, readonly [fallback: number, min: number, max: number]>
>;

/**
 * Options that are integers, with their defaults.
 *
 * @param owner what names them in errors, up to their own name: `createRedisStores: "ledger.`
 * @throws TypeError for one that is out of its bounds
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
