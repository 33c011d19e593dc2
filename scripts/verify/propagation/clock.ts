/** Milliseconds of the epoch that do not run backwards; the same clock in every process of one machine. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Tries again every few milliseconds until it holds. @throws Error naming what did not come about in time */
export async function until(holds: () => boolean, what: string, deadlineMs: number): Promise<void> {
  const endMs = nowMs() + deadlineMs;
  while (!holds()) {
    if (nowMs() > endMs) throw new Error(`Not within ${deadlineMs} ms: ${what}.`);
    await pause(5);
  }
}
