import { createChangeNotifier } from '../change-notifier.ts';
import type { ConfigStore, ConfigVersion } from '../config-store.ts';
import { frozenCopy } from '../frozen.ts';
import { requirePageSize } from '../page.ts';
import { toVersionInfo } from '../version-info.ts';

/** Bounds of `createMemoryConfigStore`. */
export interface MemoryConfigStoreOptions {
  /** Versions kept; when there are more, the oldest is dropped and `readVersion` gives `null` for it. @default 100 */
  readonly maxVersions?: number;
}

/**
 * Keeps the versions of the configuration in this process: for tests, and for one node that may forget its history.
 * Versions are copied and frozen when they come in.
 * @throws TypeError when `maxVersions` is not an integer ≥ 1
 */
export function createMemoryConfigStore(options: MemoryConfigStoreOptions = {}): ConfigStore {
  const { maxVersions = 100 } = options;
  if (!Number.isSafeInteger(maxVersions) || maxVersions < 1) {
    throw new TypeError('createMemoryConfigStore: "maxVersions" must be an integer of 1 or more.');
  }
  const notifier = createChangeNotifier();
  const versions: ConfigVersion[] = [];
  const latest = (): ConfigVersion | undefined => versions.at(-1);
  return {
    readLatest: async () => latest() ?? null,
    readVersion: async (number) => versions.find((version) => version.number === number) ?? null,
    readNumber: async () => latest()?.number ?? 0,
    async listVersions({ before = Number.POSITIVE_INFINITY, limit } = {}) {
      const size = requirePageSize('listVersions', limit);
      const older = versions.filter(({ number }) => number < before);
      return older.slice(-size).reverse().map(toVersionInfo);
    },
    async appendVersion(version, expectedNumber) {
      const number = latest()?.number ?? 0;
      if (number !== expectedNumber) return null;
      const appended = frozenCopy({ ...version, number: number + 1 });
      versions.push(appended);
      if (versions.length > maxVersions) versions.shift();
      notifier.tell(String(appended.number));
      return appended;
    },
    watchConfig: (listener) => notifier.watch(listener),
  };
}
