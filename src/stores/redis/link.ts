import { backoffMs } from '../backoff.ts';
import type { OpenRedis } from './commands.ts';
import { type ConnectionOptions, openConnection, type RedisConnection } from './connection.ts';
import { withDeadline } from './deadline.ts';
import { RedisStoreError } from './redis-error.ts';

const shortLifeMs = 100;

/** A link to a Redis: one connection at a time, opened when needed and again when lost. */
export interface RedisLink {
  /**
   * Sends one command. `key` is the key by which a cluster finds the node.
   *
   * The command MUST NOT be sent once the promise has rejected, except by a connection that already had it: what a
   * command writes must be fenced (`script.ts`).
   *
   * @throws RedisStoreError within `deadlineMs`, whatever the server does; `lost` when the connection ended before the
   * answer, so that its write may have happened or not
   */
  command(deadlineMs: number, key: string, name: string, ...parameters: readonly string[]): Promise<unknown>;
  /** Ends the connection. Waiting calls and all later ones are rejected. */
  close(): void;
}

/** How a link behaves. */
export interface LinkOptions extends ConnectionOptions {
  /** The most commands unanswered at one time, abandoned ones included; the next one is refused at once. */
  readonly maxOutstanding: number;
  /** Told of every new connection. */
  readonly onConnection?: (connection: RedisConnection) => void;
}

/**
 * Makes a link; it connects with the first command. While Redis is unreachable, commands fail at once and a new try is
 * made after 50 ms, then after twice as long each time, up to a second.
 */
export function createRedisLink(open: OpenRedis, options: LinkOptions): RedisLink {
  const { runtime, maxOutstanding } = options;
  let current: Promise<RedisConnection> | undefined;
  let isClosed = false;
  let outstanding = 0;
  let failures = 0;
  /** Connections in a row that ended at once. */
  let shortLives = 0;
  let retryAtMs = 0;
  let lastError: RedisStoreError | undefined;

  const noteFailure = (error: RedisStoreError): void => {
    failures++;
    retryAtMs = runtime.monotonicMs() + backoffMs(failures, runtime);
    lastError = error;
  };

  const connect = async (): Promise<RedisConnection> => {
    try {
      const connection = await openConnection(open, options);
      if (isClosed) {
        connection.destroy();
        throw new RedisStoreError('closed');
      }
      failures = 0;
      const openedAtMs = runtime.monotonicMs();
      connection.onClosed((reason = new RedisStoreError('lost')) => {
        current = undefined;
        // without a pause, every command would open another if each ends at once
        const isShort = runtime.monotonicMs() - openedAtMs < shortLifeMs;
        shortLives = isShort ? shortLives + 1 : 0;
        if (shortLives > 1) noteFailure(reason);
      });
      options.onConnection?.(connection);
      return connection;
    } catch (error) {
      current = undefined;
      if (error instanceof RedisStoreError) noteFailure(error);
      throw error;
    }
  };

  const connection = (): Promise<RedisConnection> => {
    if (isClosed) return Promise.reject(new RedisStoreError('closed'));
    if (!current && failures > 0 && runtime.monotonicMs() < retryAtMs && lastError) {
      return Promise.reject(new RedisStoreError(lastError.code, '', lastError));
    }
    current ??= connect();
    return current;
  };

  return {
    async command(deadlineMs, key, name, ...parameters) {
      if (outstanding >= maxOutstanding)
        throw new RedisStoreError('overloaded', `${outstanding} of ${maxOutstanding}`);
      outstanding++;
      let isOver = false;
      const run = async (): Promise<unknown> => {
        try {
          const ready = await connection();
          if (isOver) throw new RedisStoreError('late');
          return await ready.send(key, name, ...parameters);
        } finally {
          outstanding--;
        }
      };
      return withDeadline(runtime, deadlineMs, run(), () => {
        isOver = true;
        return new RedisStoreError('late', `${name}, ${Math.round(deadlineMs)} ms`);
      });
    },
    close() {
      isClosed = true;
      current?.then(
        (open) => open.destroy(),
        () => undefined,
      );
    },
  };
}

/**
 * Makes the attempt, and again in the time left if the connection was lost meanwhile: for calls that may be made twice.
 */
export async function tryTwice<T>(
  now: () => number,
  deadlineMs: number,
  attempt: (remainingMs: number, isRetry: boolean) => Promise<T>,
): Promise<T> {
  const endMs = now() + deadlineMs;
  try {
    return await attempt(deadlineMs, false);
  } catch (error) {
    const remainingMs = endMs - now();
    if (!(error instanceof RedisStoreError) || error.code !== 'lost' || remainingMs <= 0) throw error;
    return attempt(remainingMs, true);
  }
}
