import type { RedisCommands } from './commands.ts';

/** The part of an `ioredis` client that is used, `Redis` or `Cluster`. */
export interface IoredisClient {
  readonly isCluster?: boolean;
  connect(): Promise<void>;
  call(name: string, ...parameters: string[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...parameters: never[]) => void): unknown;
}

/** One to make connections from. */
export interface IoredisTemplate extends IoredisClient {
  duplicate(...overrides: unknown[]): IoredisClient;
}

/** Options with which `ioredis` neither queues, nor repeats, nor reconnects behind the link's back. */
export function ioredisOptions(connectTimeoutMs: number): Record<string, unknown> {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableAutoPipelining: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    reconnectOnError: null,
    commandTimeout: undefined,
    socketTimeout: undefined,
    connectTimeout: connectTimeoutMs,
    // how long it waits for a server to agree to close: one that does not answer never does
    disconnectTimeout: 1,
    disableClientInfo: true,
    readOnly: false,
  };
}

/** A fresh connection with the address and credentials of a client. */
export function duplicateIoredis(template: IoredisTemplate, connectTimeoutMs: number): RedisCommands {
  const options = ioredisOptions(connectTimeoutMs);
  if (!template.isCluster) return toCommands(template.duplicate(options));
  const { lazyConnect, enableOfflineQueue: _, retryStrategy, readOnly: __, ...redisOptions } = options;
  const cluster = { lazyConnect, redisOptions, clusterRetryStrategy: retryStrategy, scaleReads: 'master' };
  // while a cluster's client learns which node has which slots, a command waits for that or for its deadline
  return toCommands(
    template.duplicate([], { ...cluster, enableOfflineQueue: true, retryDelayOnFailover: 50 }),
  );
}

/** A client that was made with `ioredisOptions`, as a connection. */
export function toCommands(client: IoredisClient): RedisCommands {
  let lastError: Error | undefined;
  client.on('error', (error: Error) => {
    lastError = error;
  });
  return {
    async connect() {
      try {
        await client.connect();
      } catch (error) {
        // the rejection says only that it is closed; the event before it says why
        throw lastError ?? error;
      }
      // refused credentials and a refused SELECT are only events, after which it would go on as somebody else
      if (lastError && !client.isCluster) throw lastError;
    },
    send: (_, name, ...parameters) => client.call(name, ...parameters),
    async subscribe(channel, listener) {
      client.on('message', (from: string, message: string) => {
        if (from === channel) listener(message);
      });
      await client.subscribe(channel);
    },
    onClosed(listener) {
      client.on('end', listener);
    },
    destroy: () => client.disconnect(),
  };
}
