import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyRecord, KeyStore } from 'headgate';

/**
 * Keys as files: `<directory>/<kid>.json`, each with a record as `headgate keys create --json` prints it. Hashing,
 * constant-time comparison, caching and expiry are the gateway's: a store only finds.
 */
export function createFileKeyStore(directory: string): KeyStore {
  return {
    async findKey(kid) {
      // the gateway asks for well-formed ids only; a store that others call too checks for itself
      if (!/^[0-9A-Za-z]{1,64}$/.test(kid)) return null;
      try {
        return JSON.parse(await readFile(join(directory, `${kid}.json`), 'utf8'));
      } catch (error) {
        // absent is null; whatever else happened must not look like a wrong key
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
  };
}

/** Adds or replaces a key. The file appears whole: a reader meets the old record or the new one, never half of one. */
export async function writeKey(directory: string, record: KeyRecord): Promise<void> {
  const draft = join(directory, `.${record.kid}.${randomUUID()}`);
  await writeFile(draft, JSON.stringify(record));
  await rename(draft, join(directory, `${record.kid}.json`));
}
