import type { Runtime } from './runtime.ts';

/** Counts running requests. */
export interface Running {
  readonly count: number;
  enter(): void;
  leave(): void;
  /** Resolves when none is running, and after `ms` in any case. */
  whenIdle(ms: number): Promise<void>;
}

/** One for each gateway; it starts at 0. */
export function createRunning(runtime: Pick<Runtime, 'schedule'>): Running {
  const waiting = new Set<() => void>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    enter() {
      count++;
    },
    leave() {
      count--;
      if (count === 0) for (const wake of [...waiting]) wake();
    },
    whenIdle(ms) {
      if (count === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          cancel();
          waiting.delete(wake);
          resolve();
        };
        const cancel = runtime.schedule(ms, wake);
        waiting.add(wake);
      });
    },
  };
}
