import { createRuntime, type Runtime } from '../../../src/runtime.ts';

/** The runtime of the process, with clocks that can be set forward: nobody waits for what is only a time. */
export interface ShiftedRuntime extends Runtime {
  shift(byMs: number): void;
}

/** Clocks of the process until they are shifted. Timers run as they were set. */
export function createShiftedRuntime(): ShiftedRuntime {
  const runtime = createRuntime();
  let byMs = 0;
  return {
    ...runtime,
    now: () => runtime.now() + byMs,
    monotonicMs: () => runtime.monotonicMs() + byMs,
    shift(more) {
      byMs += more;
    },
  };
}
