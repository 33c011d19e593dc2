/** Waits until `act` succeeds. @throws what it threw last, after `ms` */
export async function eventually<T>(act: () => Promise<T> | T, ms = 10_000): Promise<T> {
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
