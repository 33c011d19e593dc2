import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryStores } from 'headgate';
import { createFileStores } from 'headgate/file';
import { createPostgresStores } from 'headgate/postgres';
import { createRedisStores } from 'headgate/redis';
import { createSqliteStores } from 'headgate/sqlite';
import pg from 'pg';
import type { Stores } from '../../src/stores/stores.ts';
import { startFaultProxy } from '../servers/fault-proxy.ts';
import { startRedis } from '../servers/redis.ts';
import { sharedServer } from '../servers/shared.ts';
import { connectTo, type RawRedis } from '../stores/redis-raw.ts';
import type { Sentinels } from './sentinels.ts';

/** Where one set of stores keeps its things, and everything that it left there. */
export interface Backend {
  readonly name: 'memory' | 'file' | 'sqlite' | 'postgres' | 'redis';
  /** For `--store`; `undefined` where another process could not share it. */
  readonly url: string | undefined;
  /** URLs that lead nowhere and hold a password. */
  readonly badUrls: readonly string[];
  /** Where people may edit the configuration. */
  readonly directory?: string;
  open(onError: (error: unknown) => void): Stores;
  /** From now on nothing is answered. */
  breakDown(): Promise<void>;
  /** Whatever the backend holds, byte by byte. */
  dump(): Promise<readonly (readonly [source: string, content: string | Uint8Array])[]>;
  close(): Promise<void>;
}

const names = ['memory', 'file', 'sqlite', 'postgres', 'redis'] as const;
export const backendNames: readonly Backend['name'][] = names;

/** Starts a backend; passwords are planted. */
export function createBackend(name: Backend['name'], sentinels: Sentinels): Promise<Backend> {
  return starters[name](sentinels);
}

const starters: Record<Backend['name'], (sentinels: Sentinels) => Promise<Backend>> = {
  memory: async () => {
    const stores = createMemoryStores();
    let isBroken = false;
    const breakable = <Store extends object>(store: Store): Store =>
      new Proxy(store, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name);
          if (!isBroken || typeof member !== 'function' || String(name).startsWith('watch')) return member;
          return async () => {
            throw new Error(`This store does not answer: ${String(name)}`);
          };
        },
      });
    return {
      name: 'memory',
      url: undefined,
      badUrls: [],
      open: () => ({
        ...stores,
        keys: breakable(stores.keys),
        config: breakable(stores.config),
        secrets: breakable(stores.secrets),
      }),
      async breakDown() {
        isBroken = true;
      },
      dump: async () => [],
      close: () => stores.close(),
    };
  },
  file: async () => {
    const parent = await mkdtemp(join(tmpdir(), 'headgate-canary-'));
    const directory = join(parent, 'data');
    return {
      name: 'file',
      url: `file:${directory}`,
      directory,
      badUrls: [],
      open: (onInvalid) => createFileStores({ directory, pollMs: 20, onInvalid }),
      async breakDown() {
        await rename(directory, `${directory}.away`);
        await writeFile(directory, '');
      },
      dump: () => readTree(parent),
      close: () => rm(parent, { recursive: true, force: true }),
    };
  },
  sqlite: async () => {
    const parent = await mkdtemp(join(tmpdir(), 'headgate-canary-'));
    const file = join(parent, 'headgate.db');
    return {
      name: 'sqlite',
      url: `sqlite:${file}`,
      badUrls: [],
      open: () => createSqliteStores({ file, pollMs: 20 }),
      async breakDown() {
        for (const suffix of ['', '-wal', '-shm']) await rename(file + suffix, `${file}.away${suffix}`);
        await writeFile(file, 'This is no database, and not the beginning of one.'.repeat(100));
      },
      dump: () => readTree(parent),
      close: () => rm(parent, { recursive: true, force: true }),
    };
  },
  postgres: startPostgresBackend,
  redis: startRedisBackend,
};

async function startPostgresBackend(sentinels: Sentinels): Promise<Backend> {
  const server = await sharedServer('postgres');
  const id = randomBytes(6).toString('hex');
  const [role, schema] = [`canary_${id}`, `canary_${id}`];
  const password = sentinels.makeAwkward('database password: postgres');
  const wrong = sentinels.makeAwkward('database password: wrong for postgres');
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD ${admin.escapeLiteral(password)}`);
  await admin.query(`GRANT CREATE ON DATABASE postgres TO ${role}`);
  const proxy = await startFaultProxy(server);
  const { host, pathname } = new URL(proxy.url);
  const at = `${host}${pathname}?schema=${schema}`;
  const connectionString = `postgres://${role}:${encodeURIComponent(password)}@${host}${pathname}`;
  const unescaped = sentinels.plant('database password: with / and #', `${wordOf(16)}/${wordOf(16)}#x`);
  return {
    name: 'postgres',
    url: `postgres://${role}:${encodeURIComponent(password)}@${at}`,
    badUrls: [
      `postgres://${role}:${encodeURIComponent(wrong)}@${at}`,
      `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:1/postgres`,
      `postgres://${role}:${encodeURIComponent(password)}@${host}/none`,
      `postgres://${role}:${encodeURIComponent(password)}@${host}:99999/none`,
      `postgres://${host}/postgres?user=${role}&password=${encodeURIComponent(wrong)}`,
      `postgress://${role}:${encodeURIComponent(password)}@${at}`,
      // a password is pasted as it is more often than it is encoded
      `postgres://${role}:${unescaped}@${at}`,
      `postgress://${role}:${unescaped}@${at}`,
      `postgres:${role}:${unescaped}@${at}`,
    ],
    open: () => createPostgresStores({ connectionString, schema, pollMs: 200 }),
    breakDown: () => proxy.refuse(),
    async dump() {
      const { rows } = await admin.query('SELECT tablename FROM pg_tables WHERE schemaname = $1', [schema]);
      const tables = rows as { tablename: string }[];
      const dumps: [string, string][] = [];
      for (const { tablename } of tables) {
        const content = await admin.query(`SELECT t::text AS row FROM ${schema}.${tablename} t`);
        dumps.push([`table ${tablename}`, content.rows.map(({ row }) => row).join('\n')]);
      }
      const statements = await admin.query(
        'SELECT query, application_name FROM pg_stat_activity WHERE usename = $1',
        [role],
      );
      dumps.push(['statements', JSON.stringify(statements.rows)]);
      return dumps;
    },
    async close() {
      await proxy.close();
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`);
      await admin.query(`DROP OWNED BY ${role} CASCADE`);
      await admin.query(`DROP ROLE ${role}`);
      await admin.end();
    },
  };
}

async function startRedisBackend(sentinels: Sentinels): Promise<Backend> {
  const requirePass = sentinels.make('database password: redis requirepass');
  const password = sentinels.make('database password: redis user', '/+');
  const wrong = sentinels.makeAwkward('database password: wrong for redis');
  const server = await startRedis({
    own: true,
    arguments: [
      '--requirepass',
      requirePass,
      '--slowlog-log-slower-than',
      '0',
      '--slowlog-max-len',
      '100000',
    ],
  });
  const adminUrl = server.url.replace('://', `://:${requirePass}@`);
  const admin = await connectTo(adminUrl);
  await admin.send('ACL', 'SETUSER', 'canary', 'on', `>${password}`, '~headgate:*', '&headgate:*', '+@all');
  const proxy = await startFaultProxy(server.url);
  const { host } = new URL(proxy.url);
  const url = `redis://canary:${encodeURIComponent(password)}@${host}`;
  const unescaped = sentinels.plant('database password: redis, with /', `${wordOf(16)}/${wordOf(16)}`);
  return {
    name: 'redis',
    url,
    badUrls: [
      `redis://canary:${encodeURIComponent(wrong)}@${host}`,
      `redis://:${requirePass}wrong@${host}`,
      `redis://canary:${encodeURIComponent(password)}@127.0.0.1:1`,
      `redis://canary:${encodeURIComponent(password)}@${host}:99999`,
      `redis://canary:${unescaped}@${host}`,
      `redis:canary:${unescaped}@${host}`,
      `rediss2://:${requirePass}@${host}`,
    ],
    open: () => createRedisStores({ url, pollMs: 200 }),
    breakDown: () => proxy.refuse(),
    dump: () => dumpRedis(admin),
    async close() {
      await proxy.close();
      await admin.close();
      await server.stop();
    },
  };
}

/** Values of every type, the stored form of each, and every command with its arguments. */
async function dumpRedis(admin: RawRedis): Promise<readonly (readonly [string, string])[]> {
  const readers: Record<string, (key: string) => string[]> = {
    string: (key) => ['GET', key],
    hash: (key) => ['HGETALL', key],
    list: (key) => ['LRANGE', key, '0', '-1'],
    set: (key) => ['SMEMBERS', key],
    zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
    stream: (key) => ['XRANGE', key, '-', '+'],
  };
  const dumps: [string, string][] = [];
  for (const key of (await admin.send('KEYS', '*')) as string[]) {
    const read = readers[(await admin.send('TYPE', key)) as string];
    if (!read) throw new Error(`The type of the key ${key} is not known.`);
    dumps.push([`key ${key}`, JSON.stringify(await admin.send(...read(key)))]);
    dumps.push([`stored form of ${key}`, String(await admin.send('DUMP', key))]);
  }
  dumps.push(['commands', JSON.stringify(await admin.send('SLOWLOG', 'GET', '-1'))]);
  dumps.push(['refusals', JSON.stringify(await admin.send('ACL', 'LOG'))]);
  dumps.push(['clients', String(await admin.send('CLIENT', 'LIST'))]);
  return dumps;
}

async function readTree(directory: string): Promise<readonly (readonly [string, Uint8Array])[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length + 1), await readFile(path)] as const;
    }),
  );
}

function wordOf(length: number): string {
  return randomBytes(length).toString('hex').slice(0, length);
}
