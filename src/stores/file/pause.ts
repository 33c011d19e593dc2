import { MessageChannel } from 'node:worker_threads';
import type { Runtime } from '../../runtime.ts';

/** Waits. Unlike a timer of `runtime.schedule`, an awaited pause keeps the process alive. */
export function pause(runtime: Runtime, ms: number): Promise<void> {
  const { port1 } = new MessageChannel();
  port1.ref();
  return new Promise((resolve) => {
    runtime.schedule(ms, () => {
      port1.close();
      resolve();
    });
  });
}
