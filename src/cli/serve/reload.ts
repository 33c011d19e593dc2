import { unwatchFile, watchFile } from 'node:fs';

const pollMs = 1_000;

/**
 * Calls `action` when the file's content may have changed. Polls once a second: unlike file events, that also works
 * for files that editors replace, for mounted volumes and for switched links.
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
