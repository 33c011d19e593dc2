import type { Runtime } from '../../runtime.ts';

/** A pause that can be cut short. */
export interface Sleeper {
  /** Waits this long, or until woken; not at all if woken since the last sleep. */
  sleep(ms: number): Promise<void>;
  wake(): void;
}

/** For one loop: only one sleeps at a time. */
export function createSleeper(runtime: Runtime): Sleeper {
  let isWoken = false;
  let rise = () => {};
  return {
    async sleep(ms) {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const cancel = runtime.schedule(ms, resolve);
          rise = () => {
            cancel();
            resolve();
          };
        });
      }
      isWoken = false;
    },
    wake() {
      isWoken = true;
      rise();
    },
  };
}
