import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { ConfigFileError } from '../../config/config-file-error.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import type { Runtime } from '../../runtime.ts';
import { sha256, toCanonicalJson } from '../canonical-json.ts';
import type { ConfigVersion, NewConfigVersion } from '../config-store.ts';
import { freezeDeep } from '../frozen.ts';
import { removeLeftovers, writeFileAtomically } from './atomic-write.ts';
import type { ConfigHistory, HistoryIndex } from './config-history.ts';
import { printConfig, readConfigText, type ValidateConfig } from './config-text.ts';
import { readFileStamp, readStampedText, type StampedText } from './file-stamp.ts';
import type { Loaded } from './followed.ts';
import { pause } from './pause.ts';

/** The configuration file and its history, read together. */
export interface ConfigState {
  readonly latest: ConfigVersion | undefined;
  readonly index: HistoryIndex;
}

/**
 * Where the configuration is kept, and how it is read. An edited file is adopted when nobody has written to it for
 * `settleMs`; `onInvalid` is told once of each edit that is refused while an older version stays in force.
 */
export interface ConfigSourceOptions {
  readonly file: string;
  readonly history: ConfigHistory;
  readonly runtime: Runtime;
  readonly maxBytes: number;
  readonly settleMs: number;
  readonly validate: ValidateConfig | undefined;
  readonly onInvalid: (error: Error) => void;
}

/** Reads and writes the files. */
export interface ConfigSource {
  look(): Promise<string>;
  /** Without the lock (`mayWrite` false) an edit is only detected, as `edited`. */
  load(mayWrite: true): Promise<Loaded<ConfigState>>;
  load(mayWrite: boolean): Promise<Loaded<ConfigState> | 'edited'>;
  /** Removes what killed writers left. The lock must be held. */
  cleanUp(): Promise<void>;
  /** Writes the next version. The lock must be held, and `state` read under it. */
  append(version: NewConfigVersion, state: ConfigState): Promise<{ stamp: string; state: ConfigState }>;
}

/**
 * A version is stored in the history, then written to the file, then made the latest in the index. A crash in between
 * leaves a file that differs from the latest version: if it is the stored one, the next reader makes it the latest; if
 * it is any other, somebody has edited it.
 */
export function createConfigSource(options: ConfigSourceOptions): ConfigSource {
  const { file, history, runtime, maxBytes, settleMs, validate, onInvalid } = options;
  let latest: ConfigVersion | undefined;
  let reported: string | undefined;

  const report = (stamp: string, error: Error): void => {
    if (reported === stamp) return;
    reported = stamp;
    try {
      onInvalid(error);
    } catch {
      // reporting a fault must not cause another
    }
  };

  /** The file, once nobody has written to it for a while. */
  const readSettled = async (): Promise<StampedText> => {
    for (let tries = 0; ; tries++) {
      const read = await readStampedText(file, maxBytes);
      const ageMs = Math.max(0, runtime.now() - read.modifiedMs);
      // a file that is written all the time is read in the end
      if (read.text === undefined || ageMs >= settleMs || tries >= 20) return read;
      await pause(runtime, settleMs - ageMs);
      if ((await readFileStamp(file)) === read.stamp) return read;
    }
  };

  const readLatest = async (index: HistoryIndex): Promise<ConfigVersion | undefined> => {
    const number = index.versions.at(-1)?.number;
    if (number === undefined || number === latest?.number) return number === undefined ? undefined : latest;
    const kept = await history.readVersion(number);
    if (!kept) throw new Error(`Version ${number} of ${file} is missing from its history.`);
    latest = kept.version;
    return latest;
  };

  const load = async (mayWrite: boolean): Promise<Loaded<ConfigState> | 'edited'> => {
    // in this order: a version made in between shows as an edit, which is checked again under the lock
    const index = await history.readIndex();
    const current = await readStampedText(file, maxBytes);
    const isKnown = current.text !== undefined && index.fileDigest === sha256(current.text);
    if (isKnown || (current.text === undefined && index.versions.length === 0)) {
      return { stamp: toStamp(current.stamp, index), state: { latest: await readLatest(index), index } };
    }
    if (!mayWrite) return 'edited';
    return await takeUp(await readSettled(), index);
  };

  const takeUp = async (
    { stamp, text, modifiedMs }: StampedText,
    index: HistoryIndex,
  ): Promise<Loaded<ConfigState>> => {
    const known = await readLatest(index);
    const stay = (): Loaded<ConfigState> => ({
      stamp: toStamp(stamp, index),
      state: { latest: known, index },
    });
    let config: GatewayConfig;
    try {
      if (text === undefined) throw new ConfigFileError(file, 'there is no such file');
      config = await readConfigText(file, text, validate);
    } catch (error) {
      if (known === undefined) return { stamp: toStamp(stamp, index), refusal: error as Error };
      report(stamp, error as Error);
      return stay();
    }
    const canonical = toCanonicalJson(config);
    const number = (known?.number ?? 0) + 1;
    const fileDigest = sha256(text);
    const interrupted = await history.readVersion(number).catch(() => null);
    if (interrupted?.fileDigest === fileDigest) return await commit(stamp, index, interrupted);
    // spaces and comments are no change
    if (known && toCanonicalJson(known.config) === canonical) return stay();
    const version = {
      number,
      author: 'file',
      createdAtMs: modifiedMs,
      digest: sha256(canonical),
      config,
    };
    await history.prepare({ version, fileDigest });
    return await commit(stamp, index, { version, fileDigest });
  };

  const commit = async (
    stamp: string,
    index: HistoryIndex,
    kept: { readonly version: ConfigVersion; readonly fileDigest: string },
  ) => {
    const committed = await history.commit(index, kept);
    latest = freezeDeep(kept.version);
    return { stamp: toStamp(stamp, committed), state: { latest, index: committed } };
  };

  return {
    look: async () => {
      const [own, ofHistory] = await Promise.all([readFileStamp(file), history.look()]);
      return `${own} ${ofHistory}`;
    },
    load: load as ConfigSource['load'],
    async cleanUp() {
      const real = await toRealPath(file);
      await removeLeftovers(dirname(real), (name) => name === basename(real)).catch(ignoreAbsent);
      await history.cleanUp();
    },
    async append(version, { index, latest: known }) {
      const text = await printConfig(file, version.config);
      const config = JSON.parse(JSON.stringify(version.config)) as GatewayConfig;
      const kept = {
        version: { ...version, config, number: (known?.number ?? 0) + 1 },
        fileDigest: sha256(text),
      };
      await history.prepare(kept);
      const stamp = await writeFileAtomically(await toRealPath(file), text, runtime);
      return await commit(stamp, index, kept);
    },
  };
}

/** A directory that is not there holds nothing to remove. */
function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function toStamp(own: string, index: HistoryIndex): string {
  return `${own} ${index.stamp}`;
}

/** The target of a symbolic link, so that the file is replaced and not the link. */
async function toRealPath(file: string): Promise<string> {
  return await realpath(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return file;
    throw error;
  });
}
