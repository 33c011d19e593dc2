import type { KeyQuery, KeyRecord, WritableKeyStore } from '../key-store.ts';
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
import { putRecord } from './scripts.ts';

const usesPerScript = 500;

/** Keys in a hash, their uses in another, and a sorted set to find them by team, project and owner. */
export function createRedisKeyStore(
  database: RedisDatabase,
  feed: ChangeFeed,
  runUses: (keys: readonly string[], parameters: readonly string[]) => Promise<unknown>,
  readClockMs: () => Promise<number>,
): WritableKeyStore {
  const { layout } = database;

  const readRecords = async (kids: readonly string[]): Promise<KeyRecord[]> => {
    const [records, uses] = (await Promise.all([
      database.readMuch('HMGET', layout.keys, ...kids),
      database.readMuch('HMGET', layout.keyUses, ...kids),
    ])) as [(string | null)[], (string | null)[]];
    return records.flatMap((stored, at) => (stored === null ? [] : [toRecord(stored, uses[at] ?? null)]));
  };

  return {
    async findKey(kid) {
      const [stored, uses] = (await Promise.all([
        database.read('HGET', layout.keys, kid),
        database.read('HGET', layout.keyUses, kid),
      ])) as [string | null, string | null];
      if (stored === null) return null;
      const record = toRecord(stored, uses);
      // text that is not well-formed reaches Redis as other text, which may be another key's
      return record.kid === kid ? record : null;
    },

    async putKey(record, expectedVersion) {
      requireNextVersion('putKey', record.version, expectedVersion);
      requireId('putKey', 'kid', record.kid);
      const { lastUsedAtMs, previousUsedAtMs, ...kept } = record;
      const index = toIndexEntries(record);
      return database.write(
        putRecord,
        [layout.keys, layout.keyIndex, layout.keyUses],
        [
          ...['keys', record.kid, JSON.stringify(record.kid), String(expectedVersion)],
          ...[toStoredRecord(kept, index), JSON.stringify(index)],
          ...[toTime(lastUsedAtMs), toTime(previousUsedAtMs)],
        ],
      );
    },

    async listKeys(query) {
      const limit = requirePageSize('listKeys', query.limit ?? 100);
      const prefix = narrowestPrefix(query);
      const found: KeyRecord[] = [];
      let after = query.after ?? '';
      for (;;) {
        const pageSize = Math.max(limit - found.length, 100);
        const kids = await readIndex(database, layout.keyIndex, prefix, after, pageSize);
        if (kids.length > 0) {
          found.push(...(await readRecords(kids)).filter((record) => fits(record, query)));
        }
        if (found.length >= limit || kids.length < pageSize) return found.slice(0, limit);
        after = kids.at(-1) as string;
      }
    },

    watchKeys: (listener) => feed.watch('keys', listener),
    readClockMs,

    async noteUses(uses) {
      for (let start = 0; start < uses.length; start += usesPerScript) {
        const parameters = uses
          .slice(start, start + usesPerScript)
          .flatMap(({ kid, usedAtMs, previous }) => [
            kid,
            toTime(usedAtMs),
            previous ? toTime(usedAtMs) : '',
          ]);
        await runUses([layout.keys, layout.keyUses], parameters);
      }
    },
  };
}

function toRecord(stored: string, uses: string | null): KeyRecord {
  const record = fromStoredRecord<KeyRecord>(stored, 'a key');
  const [last = '', previous = ''] = (uses ?? '').split(':');
  return {
    ...record,
    ...(last && { lastUsedAtMs: Number(last) }),
    ...(previous && { previousUsedAtMs: Number(previous) }),
  };
}

function toTime(ms: number | undefined): string {
  return ms === undefined ? '' : String(Math.trunc(ms));
}

// a text is quoted as JSON, so that none is a prefix of another's entry
const prefixOf = (field: string, value: string) => `${field}:${JSON.stringify(value)}:`;

function toIndexEntries({ kid, team, project, owner }: KeyRecord): string[] {
  const entries = [`all:${kid}`, `${prefixOf('team', team)}${kid}`];
  if (project !== undefined) entries.push(`${prefixOf('project', project)}${kid}`);
  if (owner !== undefined) entries.push(`${prefixOf('owner', owner)}${kid}`);
  return entries;
}

/** Of the indexed conditions, the one likely to match the fewest keys. */
function narrowestPrefix({ team, project, owner }: KeyQuery): string {
  if (owner !== undefined) return prefixOf('owner', owner);
  if (project !== undefined) return prefixOf('project', project);
  if (team !== undefined) return prefixOf('team', team);
  return 'all:';
}

function fits(record: KeyRecord, query: KeyQuery): boolean {
  if (query.team !== undefined && record.team !== query.team) return false;
  if (query.project !== undefined && record.project !== query.project) return false;
  if (query.owner !== undefined && record.owner !== query.owner) return false;
  if (query.active && record.revokedAtMs !== undefined) return false;
  const { unusedSinceMs } = query;
  return unusedSinceMs === undefined || (record.lastUsedAtMs ?? record.createdAtMs) < unusedSinceMs;
}
