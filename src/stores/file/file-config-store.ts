import { basename, dirname, extname, join } from 'node:path';
import type { ConfigStore, ConfigVersion, NewConfigVersion } from '../config-store.ts';
import { frozenCopy } from '../frozen.ts';
import { requirePageSize } from '../page.ts';
import { createChangeQueue } from './change-queue.ts';
import { createFileHistory, createProcessHistory } from './config-history.ts';
import { type ConfigState, createConfigSource } from './config-source.ts';
import { isConfigFileName, type ValidateConfig } from './config-text.ts';
import { type FileFollowOptions, requirePath, resolveFileOptions } from './file-options.ts';
import { createFollowed, type Loaded } from './followed.ts';

/** A configuration in a file that people may edit. */
export interface FileConfigStoreOptions extends FileFollowOptions {
  /** `….json`, `….yaml` or `….yml`. It need not exist yet. */
  readonly file: string;
  /**
   * Directory of the versions. `false`: none, for a file beside which nothing can be written (a mounted ConfigMap);
   * then this process counts the versions it sees, from 1 at each start, and `appendVersion` throws.
   * @default the file's name with `.history` as its extension
   */
  readonly history?: string | false;
  /** Versions kept; when there are more, the oldest is dropped and `readVersion` gives `null` for it. @default 100 */
  readonly maxVersions?: number;
  /** Checks an edit before it becomes a version. What it throws is reported with the place in the file. */
  readonly validate?: ValidateConfig;
  /**
   * Told once of each content of the file that is not used: a `ConfigFileError` with file, line and reason.
   * @default nothing is told
   */
  readonly onInvalid?: (error: Error) => void;
  /** An edit is read when the file has not changed for this long, so that half an edit is not. @default 100 */
  readonly settleMs?: number;
}

/** A config store in a file, which can be closed. */
export interface FileConfigStore extends ConfigStore {
  /** Ends every watch. Resolves when nothing is under way. */
  close(): Promise<void>;
}

/**
 * Keeps the configuration in its own file, which people may edit, and its versions in a directory beside it. An edit
 * becomes the next version, by the author `file`, when first seen. One that cannot be used is reported and changes
 * nothing: the latest version stays what it was, also after a restart; without any version, reads throw. When several
 * processes follow one file, each edit still becomes one version.
 *
 * `appendVersion` writes the file: a YAML file then loses its comments. What is in the file is in its history too, so
 * refer to secrets (`{ env }`, `{ file }`, `{ store }`) and do not write them out.
 *
 * @throws TypeError when an option is not usable
 */
export function createFileConfigStore(options: FileConfigStoreOptions): FileConfigStore {
  const factory = 'createFileConfigStore';
  const file = requirePath(factory, 'file', options.file);
  if (!isConfigFileName(file)) throw new TypeError(`${factory}: "file" must end in .json, .yaml or .yml.`);
  const { maxVersions = 100, settleMs = 100, validate, onInvalid = () => {} } = options;
  if (!Number.isSafeInteger(maxVersions) || maxVersions < 1) {
    throw new TypeError(`${factory}: "maxVersions" must be an integer of 1 or more.`);
  }
  if (!(settleMs >= 0 && settleMs <= 60_000)) {
    throw new TypeError(`${factory}: "settleMs" must be a number from 0 to 60,000.`);
  }
  const resolved = resolveFileOptions(factory, options);
  const { runtime, pollMs, maxBytes } = resolved;
  const isWritable = options.history !== false;
  const directory = isWritable
    ? requirePath(factory, 'history', options.history ?? historyOf(file))
    : undefined;
  const history =
    directory === undefined
      ? createProcessHistory(maxVersions)
      : createFileHistory(directory, maxVersions, maxBytes, runtime);
  const source = createConfigSource({ file, history, runtime, maxBytes, settleMs, validate, onInvalid });

  /** Runs with the lock held: adopts an edit, or appends. */
  const enqueue =
    directory === undefined
      ? undefined
      : createChangeQueue<'adopt' | Append, Loaded<ConfigState> | ConfigVersion | null>(
          join(directory, 'index.json'),
          runtime,
          resolved,
          async (changes) => {
            const results: (Loaded<ConfigState> | ConfigVersion | null)[] = [];
            for (const change of changes) results.push(await apply(change));
            return results;
          },
          source.cleanUp,
        );

  const apply = async (change: 'adopt' | Append): Promise<Loaded<ConfigState> | ConfigVersion | null> => {
    const before = await source.load(true);
    if ('state' in before) followed.adopt(before.stamp, before.state);
    if (change === 'adopt') return before;
    if ('refusal' in before) throw before.refusal;
    if ((before.state.latest?.number ?? 0) !== change.expectedNumber) return null;
    const after = await source.append(change.version, before.state);
    followed.adopt(after.stamp, after.state);
    return after.state.latest as ConfigVersion;
  };

  const followed = createFollowed<ConfigState>(
    {
      directory: dirname(file),
      look: source.look,
      async load() {
        const loaded = await source.load(enqueue === undefined);
        if (loaded !== 'edited') return loaded;
        return (await enqueue?.('adopt')) as Loaded<ConfigState>;
      },
      compare: (before, after) => {
        const known = before.latest?.number ?? 0;
        return after.index.versions.flatMap(({ number }) => (number > known ? [String(number)] : []));
      },
    },
    runtime,
    pollMs,
  );

  return {
    readLatest: async () => (await followed.read()).latest ?? null,
    readNumber: async () => (await followed.read()).latest?.number ?? 0,
    async readVersion(number) {
      const { latest, index } = await followed.read();
      if (number === latest?.number) return latest;
      if (!index.versions.some((version) => version.number === number)) return null;
      return (await history.readVersion(number))?.version ?? null;
    },
    async listVersions({ before = Number.POSITIVE_INFINITY, limit } = {}) {
      const size = requirePageSize('listVersions', limit);
      const { index } = await followed.read();
      return index.versions
        .filter(({ number }) => number < before)
        .slice(-size)
        .reverse();
    },
    async appendVersion(version, expectedNumber) {
      if (!enqueue) throw new Error(`${file} is followed without a history: to change it, edit the file.`);
      return (await enqueue({ version: frozenCopy(version), expectedNumber })) as ConfigVersion | null;
    },
    watchConfig: followed.watch,
    close: followed.close,
  };
}

interface Append {
  readonly version: NewConfigVersion;
  readonly expectedNumber: number;
}

function historyOf(file: string): string {
  return join(dirname(file), `${basename(file, extname(file))}.history`);
}
