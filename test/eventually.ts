/** How long a test waits for what is to come about: only against what hangs, whatever else the machine has to do. */
export const patienceMs = 60_000;

/** A deadline that no load reaches, for a store of a test in which nothing is frozen. */
export const noDeadlineMs = 60_000;

/** Waits until `act` succeeds. @throws what it threw last, after `ms` */
export async function eventually<T>(act: () => Promise<T> | T, ms = patienceMs): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
