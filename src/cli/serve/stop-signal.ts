import type { Io } from '../io.ts';

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once with exit code 1. */
export function stopSignal(io: Io): { readonly first: Promise<string>; release(): void } {
  const releases: (() => void)[] = [];
  const first = new Promise<string>((resolve) => {
    let isStopping = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      releases.push(
        io.onSignal(signal, () => {
          if (isStopping) io.exit(1);
          isStopping = true;
          resolve(signal);
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
