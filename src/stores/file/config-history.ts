import { mkdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runtime } from '../../runtime.ts';
import type { ConfigVersion, ConfigVersionInfo } from '../config-store.ts';
import { freezeDeep } from '../frozen.ts';
import { toVersionInfo } from '../version-info.ts';
import { removeLeftovers, writeFileAtomically } from './atomic-write.ts';
import { readFileStamp, readStampedText } from './file-stamp.ts';
import { parseRecords, printRecords } from './record-text.ts';

/** An index of the versions of a configuration file. */
export interface HistoryIndex {
  readonly stamp: string;
  /** Oldest first. */
  readonly versions: readonly ConfigVersionInfo[];
  /** SHA-256 of the configuration file when the latest version was read from it or written to it. */
  readonly fileDigest: string | undefined;
}

/** A version with the digest of its configuration file. */
export interface KeptVersion {
  readonly version: ConfigVersion;
  readonly fileDigest: string;
}

/** The versions of a configuration file. */
export interface ConfigHistory {
  /** A stamp that changes with every version. */
  look(): Promise<string>;
  readIndex(): Promise<HistoryIndex>;
  /** `null` when there is no such version, or no longer. */
  readVersion(number: number): Promise<KeptVersion | null>;
  /** Removes what killed writers left. */
  cleanUp(): Promise<void>;
  /** Stores a version without making it the latest. */
  prepare(kept: KeptVersion): Promise<void>;
  /** Makes a stored version the latest, and drops the oldest when there are too many. */
  commit(index: HistoryIndex, kept: KeptVersion): Promise<HistoryIndex>;
}

const kind = 'headgate-config-history';

/**
 * Versions as files in a directory: `000001.json`, … and `index.json`, whose replacement makes a version the latest.
 */
export function createFileHistory(
  directory: string,
  maxVersions: number,
  maxBytes: number,
  runtime: Runtime,
): ConfigHistory {
  const index = join(directory, 'index.json');
  const fileOf = (number: number) => join(directory, `${String(number).padStart(6, '0')}.json`);
  return {
    look: () => readFileStamp(index),
    async readIndex() {
      const { stamp, text } = await readStampedText(index, maxBytes);
      if (text === undefined) return { stamp, versions: [], fileDigest: undefined };
      try {
        const { header, records } = parseRecords(text, kind);
        const versions = freezeDeep(records as unknown as readonly ConfigVersionInfo[]);
        return { stamp, versions, fileDigest: String(header.fileDigest) };
      } catch (error) {
        throw new Error(`${index} ${(error as Error).message}`, { cause: error });
      }
    },
    async readVersion(number) {
      const file = fileOf(number);
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
      try {
        const { version, fileDigest } = JSON.parse(text) as KeptVersion;
        if (version.number !== number || typeof version.config !== 'object') throw new Error('it is another');
        return { version: freezeDeep(version), fileDigest };
      } catch (error) {
        throw new Error(`${file} is damaged: ${(error as Error).message}`, { cause: error });
      }
    },
    cleanUp: () => removeLeftovers(directory, (name) => /^(\d{6,}|index)\.json$/.test(name)),
    async prepare(kept) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFileAtomically(fileOf(kept.version.number), `${JSON.stringify(kept)}\n`, runtime);
    },
    async commit({ versions }, { version, fileDigest }) {
      const all = [...versions, freezeDeep(toVersionInfo(version))];
      const kept = all.slice(-maxVersions);
      const stamp = await writeFileAtomically(index, printRecords(kind, { fileDigest }, kept), runtime);
      for (const { number } of all.slice(0, -maxVersions)) {
        // one left behind only takes space
        await unlink(fileOf(number)).catch(() => {});
      }
      return { stamp, versions: kept, fileDigest };
    },
  };
}

/** Versions counted by this process alone, for when nothing may be written beside the configuration. */
export function createProcessHistory(maxVersions: number): ConfigHistory {
  const byNumber = new Map<number, KeptVersion>();
  let index: HistoryIndex = { stamp: '0', versions: [], fileDigest: undefined };
  return {
    look: async () => index.stamp,
    readIndex: async () => index,
    readVersion: async (number) => byNumber.get(number) ?? null,
    cleanUp: async () => {},
    async prepare(kept) {
      byNumber.set(kept.version.number, freezeDeep(kept));
    },
    async commit({ versions }, { version, fileDigest }) {
      const all = [...versions, freezeDeep(toVersionInfo(version))];
      for (const { number } of all.slice(0, -maxVersions)) byNumber.delete(number);
      index = { stamp: String(version.number), versions: all.slice(-maxVersions), fileDigest };
      return index;
    },
  };
}
