import type { Runtime } from 'headgate';

/** A runtime whose event loop a test can hold up: clocks go on, and timers fire late. */
export interface BlockableRuntime extends Runtime {
  /** Nothing runs for so long. */
  block(ms: number): void;
  /** Lets time pass, millisecond by millisecond. */
  run(ms: number): Promise<void>;
}

export function createBlockableRuntime(): BlockableRuntime {
  let elapsedMs = 0;
  let ids = 0;
  const timers = new Set<{ readonly dueMs: number; readonly action: () => void }>();

  function fireDue(): void {
    const due = [...timers].filter(({ dueMs }) => dueMs <= elapsedMs);
    for (const timer of due.toSorted((one, other) => one.dueMs - other.dueMs)) {
      // one that fires may take another back
      if (timers.delete(timer)) timer.action();
    }
  }

  return {
    now: () => Date.UTC(2030, 0, 1) + elapsedMs,
    monotonicMs: () => elapsedMs,
    random: () => 0.5,
    randomBytes: (length) => new Uint8Array(length),
    newId: () => `id ${++ids}`,
    schedule(delayMs, action) {
      const timer = { dueMs: elapsedMs + delayMs, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    block(ms) {
      elapsedMs += ms;
    },
    async run(ms) {
      for (let passed = 0; passed < ms; passed++) {
        // timers come before what has arrived, as in Node
        fireDue();
        await new Promise((resolve) => setImmediate(resolve));
        elapsedMs++;
      }
      fireDue();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
