import { frozenCopy } from '../frozen.ts';
import { requireNextVersion } from '../key-change.ts';
import { requirePageSize } from '../page.ts';
import type { SecretRecord, SecretStore } from '../secret-store.ts';
import { type FileFollowOptions, requirePath, resolveFileOptions } from './file-options.ts';
import { createRecordFile } from './record-file.ts';
import { type SecretsState, secretFileFormat } from './secret-file-format.ts';

/** Where a file secret store keeps its secrets. */
export interface FileSecretStoreOptions extends FileFollowOptions {
  /** The file; created when missing. */
  readonly file: string;
}

/** A secret store in a file. It can be created beforehand, and closed. */
export interface FileSecretStore extends SecretStore {
  /** Creates the file when missing. Resolves to whether it did. */
  create(): Promise<boolean>;
  /** Ends every watch. Resolves when nothing is under way. */
  close(): Promise<void>;
}

interface Change {
  readonly id: string;
  /** `undefined` removes. */
  readonly record: SecretRecord | undefined;
  readonly expectedVersion: number;
}

/**
 * Keeps sealed secrets in one JSON file, as `createFileKeyStore` keeps keys. Nothing in it can be used without the key
 * encryption key, and it is readable by its owner only.
 *
 * @example
 * const store = createFileSecretStore({ file: '/var/lib/headgate/secrets.json' });
 * @throws TypeError when an option is not usable
 */
export function createFileSecretStore(options: FileSecretStoreOptions): FileSecretStore {
  const path = requirePath('createFileSecretStore', 'file', options.file);
  const resolved = resolveFileOptions('createFileSecretStore', options);
  const file = createRecordFile<SecretsState, Change, boolean>(
    path,
    secretFileFormat,
    resolved,
    applyChanges,
  );
  return {
    findSecret: async (id) => (await file.read()).byId.get(id) ?? null,
    async listSecrets({ after = '', limit }) {
      const size = requirePageSize('listSecrets', limit);
      const { byId } = await file.read();
      const ids = [...byId.keys()].filter((id) => id > after).sort();
      return ids.slice(0, size).map((id) => byId.get(id) as SecretRecord);
    },
    async putSecret(record, expectedVersion) {
      requireNextVersion('putSecret', record.version, expectedVersion);
      return await file.change({ id: record.id, record: frozenCopy(record), expectedVersion });
    },
    // no version 0 exists to be removed, and `applyChanges` takes 0 as absent
    removeSecret: async (id, expectedVersion) =>
      await file.change({ id, record: undefined, expectedVersion: expectedVersion || Number.NaN }),
    readSecretsStamp: async () => (await file.read()).stamp,
    watchSecrets: file.watch,
    create: file.create,
    close: file.close,
  };
}

function applyChanges(state: SecretsState, changes: readonly Change[]) {
  const byId = new Map(state.byId);
  let { stamp } = state;
  const results = changes.map(({ id, record, expectedVersion }) => {
    if ((byId.get(id)?.version ?? 0) !== expectedVersion) return false;
    if (record) byId.set(id, record);
    else byId.delete(id);
    stamp++;
    return true;
  });
  return { state: stamp === state.stamp ? state : { byId, stamp }, results };
}
