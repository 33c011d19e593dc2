import type { SecretRecord, SecretStore } from '../secret-store.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { RedisDatabase } from './database.ts';
import {
  fromStoredRecord,
  readIndex,
  requireId,
  requireNextVersion,
  requirePageSize,
  toStoredRecord,
} from './record.ts';
import { RedisStoreError } from './redis-error.ts';
import { putRecord, removeRecord } from './scripts.ts';

/** Sealed secrets in a hash, and a sorted set to list them in order. */
export function createRedisSecretStore(database: RedisDatabase, feed: ChangeFeed): SecretStore {
  const { layout } = database;
  let hasSeenStamp = false;
  return {
    async findSecret(id) {
      const stored = (await database.read('HGET', layout.secrets, id)) as string | null;
      if (stored === null) return null;
      const record = fromStoredRecord<SecretRecord>(stored, 'a secret');
      return record.id === id ? record : null;
    },

    async listSecrets({ after = '', limit }) {
      requirePageSize('listSecrets', limit);
      const ids = await readIndex(database, layout.secretIndex, 'all:', after, limit);
      if (ids.length === 0) return [];
      const stored = (await database.readMuch('HMGET', layout.secrets, ...ids)) as (string | null)[];
      return stored.flatMap((each) =>
        each === null ? [] : [fromStoredRecord<SecretRecord>(each, 'a secret')],
      );
    },

    async putSecret(record, expectedVersion) {
      requireNextVersion('putSecret', record.version, expectedVersion);
      requireId('putSecret', 'id', record.id);
      const index = [`all:${record.id}`];
      return database.write(
        putRecord,
        [layout.secrets, layout.secretIndex],
        [
          ...['secrets', record.id, JSON.stringify(record.id), String(expectedVersion)],
          ...[toStoredRecord(record, index), JSON.stringify(index)],
        ],
      );
    },

    removeSecret: (id, expectedVersion) =>
      database.write(
        removeRecord,
        [layout.secrets, layout.secretIndex],
        ['secrets', id, JSON.stringify(id), String(expectedVersion)],
      ),

    async readSecretsStamp() {
      const stamp = (await database.read('HGET', layout.meta, 'secrets')) as string | null;
      if (stamp !== null) {
        hasSeenStamp = true;
        return Number(stamp);
      }
      // it never becomes smaller by itself
      if (hasSeenStamp) throw new RedisStoreError('emptied');
      return 0;
    },

    watchSecrets: (listener) => feed.watch('secrets', listener),
  };
}
