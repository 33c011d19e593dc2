/**
 * Runs `action` on demand, one run at a time: calls during a run become one more run, so that the last change is never
 * missed and a storm of signals costs two runs.
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
      // in the same step as the check of `isDue`: a call in between would be lost
      running = undefined;
    }
  };
  return () => {
    isDue = true;
    running ??= run();
    return running;
  };
}
