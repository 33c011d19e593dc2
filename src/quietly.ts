/** The same function, which never throws: who is told of a failure must not make another one. */
export function quietly<Told extends unknown[]>(
  tell: ((...told: Told) => unknown) | undefined,
): (...told: Told) => void {
  return (...told) => {
    try {
      tell?.(...told);
    } catch {
      // nobody is left to tell
    }
  };
}
