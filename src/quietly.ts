/** The same function, but it never throws or rejects: reporting a failure must not cause another one. */
export function quietly<Told extends unknown[]>(
  tell: ((...told: Told) => unknown) | undefined,
): (...told: Told) => void {
  return (...told) => {
    try {
      const telling = tell?.(...told);
      if (telling instanceof Promise) telling.catch(ignore);
    } catch {
      // nobody is left to tell
    }
  };
}

function ignore(): void {}
