import type { KeyRecord } from '../../src/stores/key-store.ts';
import type { Stores } from '../../src/stores/stores.ts';
import type { ChangeListener } from '../../src/stores/watch.ts';

type Keys = Stores['keys'];
type Config = Stores['config'];
type Secrets = Stores['secrets'];

const keys =
  (change: (keys: Keys) => Partial<Keys>) =>
  (stores: Stores): Stores => ({
    ...stores,
    keys: { ...stores.keys, ...change(stores.keys) },
  });
const config =
  (change: (config: Config) => Partial<Config>) =>
  (stores: Stores): Stores => ({
    ...stores,
    config: { ...stores.config, ...change(stores.config) },
  });
const secrets =
  (change: (secrets: Secrets) => Partial<Secrets>) =>
  (stores: Stores): Stores => ({
    ...stores,
    secrets: { ...stores.secrets, ...change(stores.secrets) },
  });

/** What a store may get wrong, the words of a case that catches it, and how. */
export const spoiltStores: readonly (readonly [
  what: string,
  caught: string,
  spoil: (stores: Stores) => Stores,
])[] = [
  [
    'has a clock that stands still',
    'one clock',
    keys(() => ({ readClockMs: async () => 1_900_000_000_000 })),
  ],
  [
    'tells seconds for milliseconds',
    'one clock',
    keys(({ readClockMs }) => ({
      readClockMs: async () => Math.floor(((await readClockMs?.()) ?? 0) / 1_000),
    })),
  ],
  [
    'has a clock on each node',
    'one clock',
    keys(({ readClockMs }) => {
      let calls = 0;
      return { readClockMs: async () => ((await readClockMs?.()) ?? 0) + (calls++ % 2) * 1_000 };
    }),
  ],
  [
    'checks the version of a key and then writes',
    'exactly one of fifty',
    keys(({ findKey, putKey }) => ({
      async putKey(record, expectedVersion) {
        const found = await findKey(record.kid);
        if ((found?.version ?? 0) !== expectedVersion) return false;
        for (;;) {
          const version = (await findKey(record.kid))?.version ?? 0;
          if (version >= record.version) return true;
          if (await putKey(record, version)) return true;
        }
      },
    })),
  ],
  [
    'takes a record of any version',
    'TypeError',
    keys(({ putKey }) => ({
      putKey: (record, expected) => putKey({ ...record, version: expected + 1 }, expected).catch(() => false),
    })),
  ],
  [
    'forgets limits',
    'every field',
    keys(({ putKey }) => ({
      putKey: ({ limits: _, ...record }, expected) => putKey(record, expected),
    })),
  ],
  [
    'changes the version with a use',
    'does not change the version',
    keys(({ noteUses, findKey, putKey }) => ({
      async noteUses(uses) {
        await noteUses(uses);
        for (const { kid } of uses) {
          const record = await findKey(kid);
          const version = record?.version ?? 0;
          if (record) await putKey({ ...record, version: version + 1 }, version);
        }
      },
    })),
  ],
  [
    'notes no use of the previous secret',
    'notes a use',
    keys(({ noteUses }) => ({ noteUses: (uses) => noteUses(uses.filter(({ previous }) => !previous)) })),
  ],
  [
    'forgets the owner in a query',
    'lists the keys of a team',
    keys(({ listKeys }) => ({ listKeys: ({ owner: _, ...query }) => listKeys(query) })),
  ],
  [
    'reads conditions as patterns',
    'lists the keys of a team',
    keys(({ listKeys }) => ({
      listKeys: ({ team, ...query }) =>
        listKeys(team?.includes('%') ? query : { ...query, ...(team && { team }) }),
    })),
  ],
  [
    'lists without regard to case',
    'order of the kids',
    keys(({ listKeys }) => ({
      listKeys: async (query) =>
        [...(await listKeys(query))].sort((one, other) =>
          one.kid.toLowerCase() < other.kid.toLowerCase() ? -1 : 1,
        ),
    })),
  ],
  [
    'begins every page with the first key',
    '2,500 keys',
    keys(({ listKeys }) => ({ listKeys: ({ after: _, ...query }) => listKeys(query) })),
  ],
  [
    'turns the order of the keys around',
    '2,500 keys',
    keys(({ listKeys }) => ({ listKeys: async (query) => [...(await listKeys(query))].reverse() })),
  ],
  [
    'leaves one out between two pages',
    '2,500 keys',
    keys(({ listKeys }) => ({
      listKeys: async (query) => (await listKeys(query)).slice(query.after === undefined ? 0 : 1),
    })),
  ],
  [
    'says an empty list when it fails',
    'throws from every method',
    keys(({ listKeys }) => ({ listKeys: (query) => listKeys(query).catch(() => []) })),
  ],
  [
    'says that a change lost when it fails',
    'throws from every method',
    keys(({ putKey }) => ({
      putKey: (record, expected) =>
        putKey(record, expected).catch((error) => {
          if (error instanceof TypeError) throw error;
          return false;
        }),
    })),
  ],
  [
    'forgets uses when it fails',
    'throws from every method',
    keys(({ noteUses }) => ({ noteUses: (uses) => noteUses(uses).catch(() => {}) })),
  ],
  [
    'never begins to listen',
    'when it begins to listen',
    keys(({ watchKeys }) => ({
      watchKeys: (listener) => watchKeys((id) => id !== undefined && listener(id)),
    })),
  ],
  [
    'goes on after a watch was ended',
    'no listener after its watch was ended',
    keys(({ watchKeys }) => ({
      watchKeys(listener) {
        watchKeys(listener);
        return async () => {};
      },
    })),
  ],
  ['tells one listener only', 'every one of several listeners', keys(({ watchKeys }) => tellOne(watchKeys))],
  [
    'tells of uses',
    'changes and not of uses',
    keys(({ watchKeys, noteUses }) => {
      const listeners = new Set<ChangeListener>();
      return {
        watchKeys(listener) {
          listeners.add(listener);
          return watchKeys(listener);
        },
        async noteUses(uses) {
          await noteUses(uses);
          for (const { kid } of uses) for (const listener of listeners) listener(kid);
        },
      };
    }),
  ],
  [
    'keeps quiet about a gap',
    'when it is back after a failure',
    keys(({ watchKeys }) => ({
      watchKeys(listener) {
        let hasBegun = false;
        return watchKeys((id) => {
          if (id !== undefined || !hasBegun) listener(id);
          hasBegun ||= id === undefined;
        });
      },
    })),
  ],
  [
    'waits for ever for a frozen backend',
    'gives every call up',
    keys(({ findKey }) => ({
      findKey: (kid) =>
        findKey(kid).catch((error: Error) => (/answer/.test(error.message) ? hang() : hang(error))),
    })),
  ],
  [
    'listens no more after its connection was lost',
    'made after another server has taken over',
    keys(({ watchKeys }) => ({
      watchKeys(listener) {
        let begun = 0;
        return watchKeys((id) => {
          if (id === undefined) begun++;
          if (begun < 2) listener(id);
        });
      },
    })),
  ],
  [
    'forgets what is stored when its connection is lost',
    'another server has taken over, on every node',
    keys(({ findKey }) => {
      let isLost = false;
      return {
        async findKey(kid) {
          if (isLost) return null;
          return findKey(kid).catch((error) => {
            isLost = true;
            throw error;
          });
        },
      };
    }),
  ],
  [
    'answers one call after the other',
    'while the backend is slow',
    keys(({ findKey }) => {
      let last: Promise<unknown> = Promise.resolve();
      return {
        findKey(kid) {
          const next = last.then(() => findKey(kid));
          last = next.catch(() => undefined);
          return next;
        },
      };
    }),
  ],
  [
    'appends whatever was expected',
    'exactly one of twenty',
    config(({ appendVersion, readNumber }) => ({
      async appendVersion(version, expected) {
        return (await appendVersion(version, expected)) ?? appendVersion(version, await readNumber());
      },
    })),
  ],
  [
    'sorts the names of a configuration',
    'the order of the names',
    config(({ readLatest }) => ({
      async readLatest() {
        const latest = await readLatest();
        if (!latest) return null;
        const sorted = Object.entries(latest.config).sort(([one], [other]) => (one < other ? -1 : 1));
        return { ...latest, config: Object.fromEntries(sorted) as typeof latest.config };
      },
    })),
  ],
  [
    'lists oldest first',
    'lists newest first',
    config(({ listVersions }) => ({
      listVersions: async (query) => [...(await listVersions(query))].reverse(),
    })),
  ],
  [
    'lists versions that its callers can change',
    'keeps nothing that its callers can change',
    config(({ listVersions }) => {
      const kept = new Map<number, object>();
      return {
        listVersions: async (query) =>
          (await listVersions(query)).map((info) => {
            if (!kept.has(info.number)) kept.set(info.number, { ...info });
            return kept.get(info.number) as typeof info;
          }),
      };
    }),
  ],
  [
    'says 0 when it fails',
    'throws from every method',
    config(({ readNumber }) => ({ readNumber: () => readNumber().catch(() => 0) })),
  ],
  [
    'says that there is no configuration when it fails',
    'throws for each of many',
    config(({ readLatest }) => ({ readLatest: () => readLatest().catch(() => null) })),
  ],
  [
    'lists all secrets whatever is asked for',
    'order of the ids',
    secrets(({ listSecrets }) => ({ listSecrets: (query) => listSecrets({ ...query, limit: 1_000 }) })),
  ],
  [
    'begins every page with the first secret',
    'order of the ids',
    secrets(({ listSecrets }) => ({ listSecrets: ({ after: _, ...query }) => listSecrets(query) })),
  ],
  [
    'lists secrets that its callers can change',
    'keeps nothing that its callers can change',
    secrets(({ listSecrets }) => {
      const kept = new Map<string, object>();
      return {
        listSecrets: async (query) =>
          (await listSecrets(query)).map((record) => {
            if (!kept.has(record.id)) kept.set(record.id, { ...record });
            return kept.get(record.id) as typeof record;
          }),
      };
    }),
  ],
  [
    'keeps what a newer secret does not have',
    'replaces all of a record',
    secrets(({ findSecret, putSecret }) => ({
      putSecret: async (record, expected) =>
        putSecret({ ...(await findSecret(record.id)), ...record }, expected),
    })),
  ],
  [
    'keeps the stamp at a removal',
    'raises the stamp',
    secrets(({ removeSecret, readSecretsStamp }) => {
      let removed = 0;
      return {
        async removeSecret(id, version) {
          const isRemoved = await removeSecret(id, version);
          if (isRemoved) removed++;
          return isRemoved;
        },
        readSecretsStamp: async () => (await readSecretsStamp()) - removed,
      };
    }),
  ],
  [
    'removes whatever version it is',
    'removes a record that has the expected version',
    secrets(({ removeSecret, findSecret }) => ({
      removeSecret: async (id) => removeSecret(id, (await findSecret(id))?.version ?? 0),
    })),
  ],
];

function tellOne(watchKeys: Keys['watchKeys']): Partial<Keys> {
  let first: ChangeListener | undefined;
  return {
    watchKeys(listener) {
      first ??= listener;
      const told = first;
      return watchKeys((id) => (id === undefined || told === listener) && listener(id));
    },
  };
}

function hang(error?: Error): Promise<KeyRecord | null> {
  return error ? Promise.reject(error) : new Promise(() => {});
}
