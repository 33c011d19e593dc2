import { randomUUID } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyRecord, KeyStore } from 'headgate';

/**
 * Keys as files: `<directory>/<kid>.json`, each with a record as `headgate keys create --json` prints it. Hashing,
 * constant-time comparison, caching and expiry are the gateway's: a store only finds, and reports changes if it can.
 *
 * @param directory must exist, on a file system that tells `a` from `A`, as kids do
 */
export function createFileKeyStore(directory: string) {
  return {
    async findKey(kid) {
      // the gateway asks only for well-formed ids; a store with other callers checks for itself
      if (!/^[0-9A-Za-z]{1,64}$/.test(kid)) return null;
      const path = join(directory, `${kid}.json`);
      const record = await readRecord(path);
      if (record) return record;
      // absent is null; but a directory that is missing (not mounted yet, moved away), or was replaced while we looked,
      // must not look like a wrong key
      const { ino } = await stat(directory);
      const again = await readRecord(path);
      if (!again && (await stat(directory)).ino !== ino)
        throw new Error(`${directory} was replaced meanwhile.`);
      return again;
    },
    watchKeys(listener) {
      let watcher: FSWatcher | undefined;
      let timer: NodeJS.Timeout | undefined;
      const begin = () => {
        try {
          watcher = watch(directory, (_event, name) => {
            // drafts are not keys; an event without a name may be about any key
            if (name === null) listener(undefined);
            else if (name.endsWith('.json')) listener(name.slice(0, -'.json'.length));
          });
          watcher.on('error', again);
          // anything may have changed before, and the listener has to know when it begins to be told
          queueMicrotask(() => watcher && listener(undefined));
        } catch {
          again();
        }
      };
      const again = () => {
        watcher?.close();
        watcher = undefined;
        timer = setTimeout(begin, retryMs).unref();
      };
      begin();
      return async () => {
        clearTimeout(timer);
        watcher?.close();
        watcher = undefined;
      };
    },
  } satisfies KeyStore;
}

const retryMs = 1_000;

async function readRecord(path: string): Promise<KeyRecord | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as KeyRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Adds or replaces a key. The file appears whole: a reader sees the old record or the new one, never half of one. */
export async function writeKey(directory: string, record: KeyRecord): Promise<void> {
  const draft = join(directory, `.${record.kid}.${randomUUID()}`);
  await writeFile(draft, JSON.stringify(record));
  await rename(draft, join(directory, `${record.kid}.json`));
}
