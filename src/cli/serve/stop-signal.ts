import type { Io } from '../io.ts';

/** A terminal's Ctrl-C reaches a process run by npm twice: from the terminal, and passed on by npm. */
const sameSignalMs = 500;

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once with exit code 1. */
export function stopSignal(io: Io): { readonly first: Promise<string>; release(): void } {
  const releases: (() => void)[] = [];
  const first = new Promise<string>((resolve) => {
    let stopping: { readonly signal: string; readonly atMs: number } | undefined;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      releases.push(
        io.onSignal(signal, () => {
          const nowMs = performance.now();
          if (!stopping) {
            stopping = { signal, atMs: nowMs };
            resolve(signal);
          } else if (signal !== stopping.signal || nowMs - stopping.atMs >= sameSignalMs) {
            io.exit(1);
          }
        }),
      );
    }
  });
  return {
    first,
    release() {
      for (const release of releases) release();
    },
  };
}
