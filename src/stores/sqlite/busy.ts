import { MessageChannel } from 'node:worker_threads';
import type { Runtime } from '../../runtime.ts';
import { isBusy } from './failure.ts';

const longestPauseMs = 25;

/**
 * Tries until no lock is in the way: at least once, and until `endMs` (monotonic) at the latest. SQLite's own waiting
 * (`busy_timeout`) would block the event loop meanwhile.
 *
 * @throws what `attempt` threw, when it was something else or the time is over
 */
export async function whileBusy<T>(runtime: Runtime, endMs: number, attempt: () => T): Promise<T> {
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return attempt();
    } catch (error) {
      const leftMs = endMs - runtime.monotonicMs();
      if (leftMs <= 0 || !isBusy(error)) throw error;
      // jitter, so that processes waiting for the same lock do not retry together
      await pause(runtime, Math.min(leftMs, pauseMs * (0.5 + runtime.random() / 2)));
    }
  }
}

/** The runtime's timers let the process end; an unanswered call must not. */
async function pause(runtime: Runtime, ms: number): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  port1.ref();
  await new Promise<void>((resolve) => runtime.schedule(ms, resolve));
  port1.close();
  port2.close();
}
