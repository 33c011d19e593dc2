import { type FSWatcher, watch } from 'node:fs';

/**
 * Calls `onEvent` on each event in a directory, where the system reports it, and `onEnd` when it no longer will. Keeps
 * no process alive.
 *
 * @returns what ends it; `undefined` when the system reports nothing here (no such directory, no watches left, …)
 */
export function watchDirectory(
  directory: string,
  onEvent: () => void,
  onEnd: () => void,
): (() => void) | undefined {
  let watcher: FSWatcher;
  try {
    watcher = watch(directory, { persistent: false });
  } catch {
    return undefined;
  }
  watcher.on('change', onEvent);
  watcher.on('error', () => {
    watcher.close();
    onEnd();
  });
  return () => watcher.close();
}
