import { quietly } from '../../quietly.ts';
import { createRuntime, type Runtime } from '../../runtime.ts';
import type { Stores } from '../stores.ts';
import { createChangeFeed, toHintMessage } from './change-feed.ts';
import { createRedisDatabase } from './database.ts';
import { schemaVersion, toRedisLayout } from './layout.ts';
import { createRedisLink } from './link.ts';
import { type RedisClient, toOpenRedis } from './open-redis.ts';
import { createRedisConfigStore } from './redis-config-store.ts';
import { createRedisKeyStore } from './redis-key-store.ts';
import { createRedisLedger, type RedisLedger } from './redis-ledger.ts';
import type { RedisLedgerOptions } from './redis-ledger-options.ts';
import { createRedisSecretStore } from './redis-secret-store.ts';
import { createScriptRunner, readServerTime } from './script.ts';
import { migrate, noteUses } from './scripts.ts';
import { readServerWarnings } from './server-warnings.ts';
import { createSubscription } from './subscription.ts';

export type { RedisLedger, RedisLedgerState } from './redis-ledger.ts';
export type { RebuiltBucket } from './redis-ledger-loss.ts';
export type { RedisLedgerOptions } from './redis-ledger-options.ts';

/** Where the Redis is and how the stores behave; give either `client` or `url`. */
export interface RedisStoresOptions {
  /**
   * A client of `ioredis` or `redis`, which says how to connect: address, credentials, TLS, Sentinel, cluster. It need
   * not be connected. Its own connection is neither used nor closed: up to three are made with its `duplicate`: one for
   * commands, one for the ledger when that is used, and one to subscribe while something is watched, all without the
   * queues and retries that would make a write happen later than its caller was told.
   */
  readonly client?: RedisClient | undefined;
  /** `redis://user:password@host:6379/0`, or `rediss://…` for TLS; uses `ioredis`, or else `redis`, whichever is installed. */
  readonly url?: string | undefined;
  /** How all keys begin: `<prefix>:{<installation>}:…`. @default 'headgate' */
  readonly prefix?: string;
  /** Separates installations that share a Redis; the hash tag of their keys. @default 'default' */
  readonly installation?: string;
  /** A look-up on the request path fails after this. @default 250 */
  readonly readDeadlineMs?: number;
  /** A write, or a read of a list or of a whole configuration, fails after this. @default 1_000 */
  readonly writeDeadlineMs?: number;
  /** Connecting and the first answer may take this long. @default 2_000 */
  readonly connectDeadlineMs?: number;
  /** The most commands unanswered at one time; the next one fails at once. @default 1_000 */
  readonly maxOutstanding?: number;
  /** A change that was not pushed is seen after this. @default 1_000 */
  readonly pollMs?: number;
  /** Versions of the configuration that are kept; older ones are dropped. @default 100 */
  readonly maxVersions?: number;
  /** Changes kept for nodes that missed their messages. @default 1_000 */
  readonly maxChanges?: number;
  /**
   * Told, once each, of server settings that can lose what is stored: a `maxmemory-policy` other than `noeviction`, no
   * append-only file; and of a user who may not subscribe. @default nobody
   */
  readonly onWarning?: (message: string) => void;
  /** How the ledger behaves. @default as documented there */
  readonly ledger?: RedisLedgerOptions;
  /** Clock, timers and randomness. @default that of the process */
  readonly runtime?: Runtime;
}

/** Stores on Redis. `RedisLedger` says what to do when Redis has lost what was counted. */
export interface RedisStores extends Stores {
  readonly ledger: RedisLedger;
}

/**
 * Keys, configuration, sealed secrets and the ledger in Redis 7 or later, or Valkey, on one server, behind Sentinel, or
 * in a cluster.
 *
 * What a caller may assume: every call ends within its deadline, even when the server is stopped or the network drops
 * everything. A write that has failed with `late` or `lost` may have been done, but is not done later: it has a
 * deadline by the server's clock. Reads go to the primary. What a failover or a restart without persistence loses is
 * lost; then a configuration store that has seen a version throws rather than report none, and watchers are told that
 * anything may have changed.
 *
 * A user with only the rights needed, for the default names (`+info` is for the warnings and may be left out):
 *
 * ```text
 * ACL SETUSER headgate on >password resetkeys ~headgate:{default}:* resetchannels &headgate:{default}:changes
 *   -@all +time +ping +info +eval +evalsha +hget +hmget +hset +hlen +hdel +hexists +hincrby
 *   +zadd +zrem +zcard +zrangebylex +llen +lpush +ltrim +lrange +publish +subscribe
 * ```
 *
 * The ledger also needs `+exists +unlink +zscore +zrange +zrangebyscore`. With a cluster add
 * `+cluster|slots +cluster|info +cluster|shards +cluster|nodes`, with a database other than 0 `+select`.
 *
 * @throws TypeError for an invalid option
 */
export function createRedisStores(options: RedisStoresOptions): RedisStores {
  const { runtime = createRuntime(), prefix = 'headgate', installation = 'default' } = options;
  const integer = (name: keyof RedisStoresOptions, fallback: number, min: number, max: number): number => {
    const value = options[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    throw new TypeError(`createRedisStores: "${name}" must be an integer from ${min} to ${max}.`);
  };
  const readDeadlineMs = integer('readDeadlineMs', 250, 1, 60_000);
  const writeDeadlineMs = integer('writeDeadlineMs', 1_000, 50, 60_000);
  const connectDeadlineMs = integer('connectDeadlineMs', 2_000, 1, 60_000);
  const maxOutstanding = integer('maxOutstanding', 1_000, 1, 1_000_000);
  const pollMs = integer('pollMs', 1_000, 10, 3_600_000);
  const maxVersions = integer('maxVersions', 100, 1, 1_000_000);
  const maxChanges = integer('maxChanges', 1_000, 1, 100_000);

  const warned = new Set<string>();
  const warn = (message: string): void => {
    if (warned.has(message)) return;
    warned.add(message);
    quietly(options.onWarning)(message);
  };

  const layout = toRedisLayout(prefix, installation);
  const open = toOpenRedis({ client: options.client, url: options.url }, connectDeadlineMs);
  const connectionOptions = {
    runtime,
    connectDeadlineMs,
    silenceMs: Math.max(readDeadlineMs, writeDeadlineMs),
  };
  const link = createRedisLink(open, {
    ...connectionOptions,
    maxOutstanding,
    onConnection: (connection) => void readServerWarnings(connection).then((found) => found.forEach(warn)),
  });
  const scripts = createScriptRunner(link, runtime);
  const database = createRedisDatabase({
    link,
    scripts,
    layout,
    runtime,
    readDeadlineMs,
    writeDeadlineMs,
    maxChanges,
  });
  // a separate one, so that a reservation never waits behind a configuration
  const ledgerLink = createRedisLink(open, { ...connectionOptions, maxOutstanding });
  const ledger = createRedisLedger(
    {
      scripts: createScriptRunner(ledgerLink, runtime),
      runtime,
      keys: layout.ledger,
      disconnect: () => ledgerLink.close(),
    },
    options.ledger,
  );
  const feed = createChangeFeed({
    database,
    runtime,
    pollMs,
    maxChanges,
    onWarning: warn,
    subscribe: (callbacks) =>
      createSubscription(open, { ...connectionOptions, ...callbacks, channel: layout.channel }),
  });

  return {
    backend: 'redis',
    keys: createRedisKeyStore(
      database,
      feed,
      (keys, parameters) => scripts.run(noteUses, keys, parameters, writeDeadlineMs),
      () => readServerTime(scripts, layout.meta, readDeadlineMs),
    ),
    config: createRedisConfigStore(database, feed, maxVersions),
    secrets: createRedisSecretStore(database, feed),
    ledger,
    hints: {
      publish(text) {
        const { channel } = layout;
        link
          .command(writeDeadlineMs, channel, 'PUBLISH', channel, toHintMessage(text))
          .catch(() => undefined);
      },
      listen(listener) {
        return feed.watch('hints', (text) => text !== undefined && listener(text));
      },
    },
    async migrate() {
      const epoch = Buffer.from(runtime.randomBytes(12)).toString('hex');
      const parameters = [String(schemaVersion), epoch];
      const isNew = Number(await scripts.run(migrate, [layout.meta], parameters, writeDeadlineMs)) === 1;
      return isNew ? [`redis schema ${schemaVersion}`] : [];
    },
    async close() {
      feed.close();
      link.close();
      await ledger.close();
    },
  };
}
