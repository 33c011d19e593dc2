import { freezeDeep, frozenCopy } from '../frozen.ts';
import { applyUse, keepUses, requireNextVersion } from '../key-change.ts';
import { createKeyIndex, type KeyIndex } from '../key-index.ts';
import type { KeyRecord, KeyUse, WritableKeyStore } from '../key-store.ts';
import { type FileFollowOptions, requirePath, resolveFileOptions } from './file-options.ts';
import { keyFileFormat } from './key-file-format.ts';
import { createRecordFile } from './record-file.ts';

/** Where a file key store keeps its keys. */
export interface FileKeyStoreOptions extends FileFollowOptions {
  /** The file; created when missing. */
  readonly file: string;
}

/** A key store in a file. It can be created beforehand, and closed. */
export interface FileKeyStore extends WritableKeyStore {
  /** Creates the file when missing. Resolves to whether it did. */
  create(): Promise<boolean>;
  /** Ends every watch. Resolves when nothing is under way. */
  close(): Promise<void>;
}

type Change =
  | { readonly record: KeyRecord & { readonly version: number }; readonly expectedVersion: number }
  | { readonly uses: readonly KeyUse[] };

/**
 * Keeps keys in one JSON file, for one or a few nodes on one machine and up to about ten thousand keys. The file is
 * read when it has changed; a find is one `stat` and one lookup in memory. Changes are written whole, in batches, under
 * a lock that other processes respect. The file holds no secrets, only their hashes, and is readable by its owner only.
 *
 * A damaged file makes every call throw and is never written to; so does one that vanishes.
 *
 * @example
 * const store = createFileKeyStore({ file: '/var/lib/headgate/keys.json' });
 * await store.putKey({ ...record, version: 1 }, 0);
 * @throws TypeError when an option is not usable
 */
export function createFileKeyStore(options: FileKeyStoreOptions): FileKeyStore {
  const path = requirePath('createFileKeyStore', 'file', options.file);
  const resolved = resolveFileOptions('createFileKeyStore', options);
  const file = createRecordFile<KeyIndex, Change, boolean>(path, keyFileFormat, resolved, applyChanges);
  return {
    // frozen when first handed out: most records read from a file never are
    findKey: async (kid) => freezeDeep((await file.read()).get(kid) ?? null),
    async putKey(record, expectedVersion) {
      requireNextVersion('putKey', record.version, expectedVersion);
      return await file.change({ record: frozenCopy(record), expectedVersion });
    },
    listKeys: async (query) => (await file.read()).list(query).map((record) => freezeDeep(record)),
    async noteUses(uses) {
      await file.change({ uses: frozenCopy(uses) });
    },
    watchKeys: file.watch,
    // a file has no clock: all who share it are on its machine
    readClockMs: async () => resolved.runtime.now(),
    create: file.create,
    close: file.close,
  };
}

function applyChanges(index: KeyIndex, changes: readonly Change[]) {
  const changed = new Map<string, KeyRecord>();
  const find = (kid: string) => changed.get(kid) ?? index.get(kid);
  const results = changes.map((change) => {
    if ('uses' in change) {
      for (const use of change.uses) {
        const record = find(use.kid);
        const used = record && applyUse(record, use);
        if (used !== undefined && used !== record) changed.set(use.kid, freezeDeep(used));
      }
      return true;
    }
    const stored = find(change.record.kid);
    if ((stored?.version ?? 0) !== change.expectedVersion) return false;
    changed.set(change.record.kid, freezeDeep(keepUses(change.record, stored)));
    return true;
  });
  if (changed.size === 0) return { state: index, results };
  // a new index, so that nobody reads what is not on disk yet
  const state = createKeyIndex(index.values());
  for (const record of changed.values()) state.set(record);
  return { state, results };
}
