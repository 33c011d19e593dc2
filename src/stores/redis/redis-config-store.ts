import type { ConfigStore, ConfigVersion, ConfigVersionInfo } from '../config-store.ts';
import type { ChangeFeed } from './change-feed.ts';
import { parseStored, type RedisDatabase } from './database.ts';
import { requirePageSize } from './record.ts';
import { RedisStoreError } from './redis-error.ts';
import { appendVersion } from './scripts.ts';

type StoredInfo = Omit<ConfigVersionInfo, 'number'>;

const latestTries = 3;

/** Versions of the configuration: the number of the latest in `meta`, infos in a hash, configurations in another. */
export function createRedisConfigStore(
  database: RedisDatabase,
  feed: ChangeFeed,
  maxVersions: number,
): ConfigStore {
  const { layout } = database;
  let hasSeenVersion = false;

  const readNumber = async (): Promise<number> => {
    const number = (await database.read('HGET', layout.meta, 'config')) as string | null;
    if (number !== null) {
      hasSeenVersion = true;
      return Number(number);
    }
    // An emptied Redis must not look like one that has no configuration yet.
    if (hasSeenVersion) throw new RedisStoreError('emptied');
    if (Number(await database.read('HLEN', layout.configInfos)) > 0) throw new RedisStoreError('EVICTED');
    return 0;
  };

  const readVersion = async (number: number): Promise<ConfigVersion | null> => {
    const [info, body] = (await Promise.all([
      database.readMuch('HGET', layout.configInfos, String(number)),
      database.readMuch('HGET', layout.configBodies, String(number)),
    ])) as [string | null, string | null];
    if (info === null || body === null) return null;
    const what = `version ${number} of the configuration`;
    return {
      ...parseStored<StoredInfo>(info, what),
      number,
      config: parseStored<ConfigVersion['config']>(body, what),
    };
  };

  return {
    readNumber,
    readVersion,

    async readLatest() {
      // in theory, as many versions as are kept may be appended between the two reads
      for (let tries = 0; tries < latestTries; tries++) {
        const number = await readNumber();
        if (number === 0) return null;
        const version = await readVersion(number);
        if (version) return version;
      }
      throw new RedisStoreError('EVICTED');
    },

    async listVersions({ before = Number.MAX_SAFE_INTEGER, limit = 100 } = {}) {
      requirePageSize('listVersions', limit);
      const first = Math.min(await readNumber(), before - 1);
      const numbers = Array.from({ length: Math.max(0, Math.min(limit, first)) }, (_, at) => first - at);
      if (numbers.length === 0) return [];
      const infos = (await database.readMuch('HMGET', layout.configInfos, ...numbers.map(String))) as (
        | string
        | null
      )[];
      return infos.flatMap((info, at) => {
        if (info === null) return [];
        const number = numbers[at] as number;
        return [{ ...parseStored<StoredInfo>(info, `version ${number} of the configuration`), number }];
      });
    },

    async appendVersion(version, expectedNumber) {
      const { config, ...info } = version;
      const body = JSON.stringify(config);
      const infoText = JSON.stringify(info);
      const isStored = await database.write(
        appendVersion,
        [layout.configInfos, layout.configBodies],
        [String(expectedNumber), infoText, body, String(maxVersions)],
      );
      if (!isStored) return null;
      hasSeenVersion = true;
      return { ...JSON.parse(infoText), config: JSON.parse(body), number: expectedNumber + 1 };
    },

    watchConfig: (listener) => feed.watch('config', listener),
  };
}
