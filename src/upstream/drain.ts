import type { Runtime } from '../runtime.ts';
import type { DrainableBody } from './relay.ts';

/** Bounds on reading bodies that nobody waits for any more. */
export interface DrainOptions {
  readonly maxConcurrent: number;
  readonly maxMs: number;
  readonly maxBytes: number;
}

/** Reads bodies to their end after the caller has left, for the usage at their end. */
export interface Drainer {
  /** Takes a body over, or returns false when `maxConcurrent` bodies are being read already. */
  take(body: DrainableBody, options: DrainOptions): boolean;
}

/** One per gateway: its bounds cover all requests together. */
export function createDrainer(runtime: Runtime): Drainer {
  let running = 0;

  async function read(body: DrainableBody, options: DrainOptions): Promise<void> {
    const cancelTimer = runtime.schedule(options.maxMs, () => body.finish());
    try {
      let bytes = 0;
      for (;;) {
        const size = await body.step();
        if (size === false) break;
        bytes += size;
        if (bytes > options.maxBytes) break;
      }
    } catch {
      // a broken upstream has nothing more to tell
    } finally {
      cancelTimer();
      running--;
      body.finish();
    }
  }

  return {
    take(body, options) {
      if (running >= options.maxConcurrent) return false;
      running++;
      void read(body, options);
      return true;
    },
  };
}
