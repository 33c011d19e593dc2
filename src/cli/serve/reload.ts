import { unwatchFile, watchFile } from 'node:fs';

const pollMs = 1_000;

/**
 * Runs `action` now and then, one run at a time: calls during a run are remembered as one more run, so that the last
 * change is never missed and a storm of signals costs two runs.
 */
export function createSerial(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let isDue = false;
  const run = async () => {
    do {
      isDue = false;
      await action();
    } while (isDue);
  };
  return () => {
    isDue = true;
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  };
}

/**
 * Calls `action` when the file's content may have changed. Polls once a second: unlike file events that also works
 * for files that editors replace, for mounted volumes and for links that are switched over.
 */
export function watchConfig(file: string, action: () => void): () => void {
  const listener: Parameters<typeof watchFile>[1] = (now, before) => {
    const isSame = now.mtimeMs === before.mtimeMs && now.size === before.size && now.ino === before.ino;
    // mtime 0: gone, for instance between the two steps of a replacement
    if (!isSame && now.mtimeMs !== 0) action();
  };
  watchFile(file, { interval: pollMs, persistent: false }, listener);
  return () => unwatchFile(file, listener);
}
