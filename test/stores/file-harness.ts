import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createFileStores, type FileStoresOptions } from '../../src/stores/file/file-stores.ts';
import type { Stores } from '../../src/stores/stores.ts';
import type { StoresHarness } from './stores-contract.ts';

/** A fresh directory that `remove` takes away again. */
export async function createDirectory(): Promise<{ directory: string; remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'headgate-file-'));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** Stores in a fresh directory; a failure is a directory that is gone. */
export async function createFileHarness(options: Partial<FileStoresOptions> = {}): Promise<StoresHarness> {
  const { directory: parent, remove } = await createDirectory();
  const directory = join(parent, 'data');
  const open = () => createFileStores({ pollMs: 20, ...options, directory });
  const stores = open();
  await stores.migrate();
  const opened: Stores[] = [stores];
  return {
    stores,
    second() {
      const other = open();
      opened.push(other);
      return other;
    },
    async breakStore() {
      await rename(directory, `${directory}.away`);
      // a file in the place of the directory: nothing can be made there meanwhile
      await writeFile(directory, '');
      // whoever reads notices, and with it the watches
      await expect(stores.keys.findKey('a')).rejects.toThrow();
      await expect(stores.config.readNumber()).rejects.toThrow();
      await expect(stores.secrets.readSecretsStamp()).rejects.toThrow();
      return async () => {
        await rm(directory);
        await rename(`${directory}.away`, directory);
      };
    },
    // a copy in its place, as when a volume is restored or mounted from elsewhere
    async failOver() {
      // locks of a moment are no data
      const filter = (path: string) => !path.includes('.lock');
      await cp(directory, `${directory}.copy`, { recursive: true, filter });
      await rename(directory, `${directory}.before`);
      await rename(`${directory}.copy`, directory);
    },
    async close() {
      await Promise.all(opened.map((each) => each.close()));
      await remove();
    },
  };
}
