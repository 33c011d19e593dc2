import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stores } from '../stores.ts';
import { createFileConfigStore, type FileConfigStoreOptions } from './file-config-store.ts';
import { createFileKeyStore } from './file-key-store.ts';
import { type FileFollowOptions, requirePath } from './file-options.ts';
import { createFileSecretStore } from './file-secret-store.ts';

/** Stores in a directory. */
export interface FileStoresOptions
  extends FileFollowOptions,
    Pick<FileConfigStoreOptions, 'maxVersions' | 'validate' | 'onInvalid' | 'settleMs'> {
  /** Created when missing; readable by its owner only. */
  readonly directory: string;
}

/**
 * Everything that a gateway keeps, in one directory: `keys.json`, `secrets.json`, `config.json`, which people may edit,
 * and its versions in `config.history/`. For one node, or several processes on one machine; not for a network drive. Up
 * to about ten thousand keys: each change rewrites its file.
 *
 * @throws TypeError when an option is not usable
 */
export function createFileStores(options: FileStoresOptions): Stores {
  const { directory, ...rest } = options;
  requirePath('createFileStores', 'directory', directory);
  const keys = createFileKeyStore({ ...rest, file: join(directory, 'keys.json') });
  const secrets = createFileSecretStore({ ...rest, file: join(directory, 'secrets.json') });
  const config = createFileConfigStore({ ...rest, file: join(directory, 'config.json') });
  return {
    backend: 'file',
    keys,
    config,
    secrets,
    async migrate() {
      const made = await mkdir(directory, { recursive: true, mode: 0o700 });
      const steps = made === undefined ? [] : [`made ${directory}`];
      if (await keys.create()) steps.push('made keys.json');
      if (await secrets.create()) steps.push('made secrets.json');
      return steps;
    },
    async close() {
      await Promise.all([keys, secrets, config].map((store) => store.close()));
    },
  };
}
