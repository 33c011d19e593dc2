import type { Runtime } from '../../runtime.ts';
import type { OpenRedis, RedisCommands } from './commands.ts';
import { withDeadline } from './deadline.ts';
import { RedisStoreError, toRedisStoreError } from './redis-error.ts';

/** A connection that has answered once. */
export interface RedisConnection {
  /** Like `RedisCommands.send`; rejects with a `RedisStoreError`, at the latest when the connection is given up. */
  send(key: string, name: string, ...parameters: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  /** Whether it was lost or destroyed. */
  isClosed(): boolean;
  /** @param listener told why, where an answer said so */
  onClosed(listener: (reason?: RedisStoreError) => void): void;
  destroy(): void;
}

/** How long a connection may take. */
export interface ConnectionOptions {
  readonly runtime: Runtime;
  /** For connecting and the first answer together. */
  readonly connectDeadlineMs: number;
  /** A connection that leaves commands unanswered and says nothing for this long is given up. */
  readonly silenceMs: number;
}

/**
 * Connects and asks for the time, so that a server that accepts connections but never answers, like a stopped one, is
 * not taken for a working one.
 *
 * @throws RedisStoreError when that does not succeed within `connectDeadlineMs`
 */
export async function openConnection(open: OpenRedis, options: ConnectionOptions): Promise<RedisConnection> {
  const commands = await open();
  const greet = async (): Promise<void> => {
    await commands.connect();
    await commands.send('', 'TIME');
  };
  try {
    const toError = () => new RedisStoreError('unreachable', `no answer in ${options.connectDeadlineMs} ms`);
    await withDeadline(options.runtime, options.connectDeadlineMs, greet(), toError);
  } catch (error) {
    commands.destroy();
    throw toRedisStoreError(error, 'unreachable');
  }
  return superviseSilence(commands, options);
}

function superviseSilence(
  commands: RedisCommands,
  { runtime, silenceMs }: ConnectionOptions,
): RedisConnection {
  const listeners: ((reason?: RedisStoreError) => void)[] = [];
  let isClosed = false;
  let unanswered = 0;
  let quietSinceMs = 0;
  let isWatching = false;

  const watch = (delayMs: number): void => {
    isWatching = true;
    runtime.schedule(delayMs, () =>
      // what came in time is read first, see withDeadline
      setImmediate(() => {
        isWatching = false;
        if (unanswered === 0 || isClosed) return;
        const quietMs = runtime.monotonicMs() - quietSinceMs;
        if (quietMs >= silenceMs) destroy();
        else watch(silenceMs - quietMs);
      }),
    );
  };
  const heard = (): void => {
    unanswered--;
    quietSinceMs = runtime.monotonicMs();
  };
  const close = (reason?: RedisStoreError): void => {
    if (isClosed) return;
    isClosed = true;
    for (const listener of listeners) listener(reason);
  };
  commands.onClosed(() => close());
  const destroy = (reason?: RedisStoreError): void => {
    if (isClosed) return;
    close(reason);
    commands.destroy();
  };

  return {
    async send(key, name, ...parameters) {
      if (isClosed) throw new RedisStoreError('lost');
      if (unanswered++ === 0) quietSinceMs = runtime.monotonicMs();
      if (!isWatching) watch(silenceMs);
      try {
        return await commands.send(key, name, ...parameters);
      } catch (error) {
        const reason = toRedisStoreError(error, 'lost');
        // the library may notice before its connection says so, and a former primary keeps its connections, wherever
        // its address leads now; the next command must get a new one
        if (reason.code === 'lost' || reason.code === 'READONLY') destroy(reason);
        throw reason;
      } finally {
        heard();
      }
    },
    subscribe: (channel, listener) => commands.subscribe(channel, listener),
    isClosed: () => isClosed,
    onClosed(listener) {
      if (isClosed) listener();
      else listeners.push(listener);
    },
    destroy,
  };
}
