/**
 * Runs `action` now and then, one run at a time: calls during a run are remembered as one more run, so that the last
 * change is never missed and a storm of signals costs two runs.
 */
export function createSerial(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let isDue = false;
  const run = async () => {
    try {
      do {
        isDue = false;
        await action();
      } while (isDue);
    } finally {
      // in the same step as the look at what is due: a call in between would be lost
      running = undefined;
    }
  };
  return () => {
    isDue = true;
    running ??= run();
    return running;
  };
}
