/**
 * One connection to Redis, whatever library is behind it. It is used once: it never reconnects, never queues while not
 * connected and never sends a command twice. A cluster's client counts as one connection.
 */
export interface RedisCommands {
  /** Resolves when commands can be sent. @throws Error when it cannot connect or the server refuses the credentials */
  connect(): Promise<void>;
  /**
   * Sends one command. `key` tells a cluster's client which node to ask; it is also among the parameters. Strings are
   * returned as strings, numbers as numbers or decimal strings, nothing as `null`.
   */
  send(key: string, name: string, ...parameters: readonly string[]): Promise<unknown>;
  /** Listens to a channel; the connection then serves nothing else but a PING. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  /** Calls the listener once when the connection is lost or destroyed. */
  onClosed(listener: () => void): void;
  /** Ends it at once; unanswered commands are rejected. Never throws. */
  destroy(): void;
}

/** Makes a connection that is not connected yet. @throws Error when the client library is missing */
export type OpenRedis = () => Promise<RedisCommands>;
