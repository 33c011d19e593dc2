/** When to restart a worker that died. */
export interface Restarts {
  /**
   * A worker died.
   *
   * @param livedMs how long it had run
   * @returns milliseconds to wait before the next is started
   */
  died(livedMs: number): number;
  /** How many in a row died before they had run for long. */
  readonly failures: number;
}

/**
 * A pause that doubles each time a worker of one place dies early, so that one that cannot run costs little.
 *
 * @param options.minMs the first pause. @default 250
 * @param options.maxMs the longest. @default 30_000
 * @param options.stableMs one that ran for this long did not die early. @default 60_000
 */
export function createRestarts(
  options: { readonly minMs?: number; readonly maxMs?: number; readonly stableMs?: number } = {},
): Restarts {
  const { minMs = 250, maxMs = 30_000, stableMs = 60_000 } = options;
  let failures = 0;
  return {
    died(livedMs) {
      failures = livedMs >= stableMs ? 1 : failures + 1;
      return Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30));
    },
    get failures() {
      return failures;
    },
  };
}
