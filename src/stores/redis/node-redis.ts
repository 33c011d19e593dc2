import type { RedisCommands } from './commands.ts';

/** The part of a `redis` client that is used, made by `createClient` or `createCluster`. */
export interface NodeRedisClient {
  readonly options?: { readonly socket?: object };
  connect(): Promise<unknown>;
  sendCommand(...parameters: unknown[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (...parameters: never[]) => void): unknown;
}

/** One to make connections from. */
export interface NodeRedisTemplate extends NodeRedisClient {
  duplicate(overrides?: object): NodeRedisClient;
}

/** Options with which `redis` neither queues nor reconnects behind the link's back. */
export function nodeRedisOptions(connectTimeoutMs: number, socket: object = {}): object {
  return {
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    clientSideCache: undefined,
    commandOptions: undefined,
    pingInterval: undefined,
    socket: {
      ...socket,
      reconnectStrategy: false,
      connectTimeout: connectTimeoutMs,
      socketTimeout: undefined,
    },
  };
}

/** A fresh connection with the address and credentials of a client. */
export function duplicateNodeRedis(template: NodeRedisTemplate, connectTimeoutMs: number): RedisCommands {
  if (isCluster(template)) return toCommands(template.duplicate());
  return toCommands(template.duplicate(nodeRedisOptions(connectTimeoutMs, template.options?.socket)));
}

/** A client that was made with `nodeRedisOptions`, as a connection. */
export function toCommands(client: NodeRedisClient): RedisCommands {
  const hasNodes = isCluster(client);
  let isReady = false;
  let isClosed = false;
  let tell = () => {};
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    destroyQuietly(client);
    tell();
  };
  // it does not reconnect, so an error is the end; a cluster's client goes on with its other nodes
  client.on('error', () => {
    if (isReady && !hasNodes) close();
  });
  client.on('end', close);
  return {
    async connect() {
      await client.connect();
      isReady = true;
      // if destroyed while connecting, it has a socket only now
      if (isClosed) destroyQuietly(client);
    },
    send(key, name, ...parameters) {
      const command = [name, ...parameters];
      return hasNodes ? client.sendCommand(key, false, command) : client.sendCommand(command);
    },
    async subscribe(channel, listener) {
      await client.subscribe(channel, listener);
    },
    onClosed(listener) {
      tell = listener;
      if (isClosed) listener();
    },
    destroy: close,
  };
}

function destroyQuietly(client: NodeRedisClient): void {
  try {
    client.destroy();
  } catch {
    // it was never open, or is closed already
  }
}

function isCluster(client: object): boolean {
  return 'masters' in client;
}
