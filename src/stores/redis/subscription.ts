import { backoffMs } from '../backoff.ts';
import type { OpenRedis } from './commands.ts';
import { type ConnectionOptions, openConnection, type RedisConnection } from './connection.ts';
import { withDeadline } from './deadline.ts';
import { RedisStoreError, toRedisStoreError } from './redis-error.ts';

/** Listens to a channel as long as it is open, over its own connection, which is reopened when lost. */
export interface RedisSubscription {
  /** Asks the server for a sign of life; gives the connection up when there is none within `silenceMs`. Never rejects. */
  check(): Promise<void>;
  /** Ends it; no callback is called afterwards. */
  close(): void;
}

/** What it reports. */
export interface SubscriptionOptions extends ConnectionOptions {
  readonly channel: string;
  onMessage(message: string): void;
  /** It listens, now or again: what happened before may have been missed. */
  onListening(): void;
  /** It could not be opened, or was lost; it is retried automatically. */
  onFailure(error: RedisStoreError): void;
}

/** Begins to subscribe, in the background. */
export function createSubscription(open: OpenRedis, options: SubscriptionOptions): RedisSubscription {
  const { runtime, silenceMs } = options;
  let connection: RedisConnection | undefined;
  let isClosed = false;
  let failures = 0;
  let cancelRetry = () => {};

  const fail = (error: RedisStoreError): void => {
    connection = undefined;
    if (isClosed) return;
    failures++;
    cancelRetry = runtime.schedule(backoffMs(failures, runtime), () => void start());
    options.onFailure(error);
  };

  const start = async (): Promise<void> => {
    let opened: RedisConnection | undefined;
    try {
      opened = await openConnection(open, options);
      if (isClosed) return opened.destroy();
      const listening = opened.subscribe(options.channel, (message) => {
        if (!isClosed) options.onMessage(message);
      });
      const toError = () => new RedisStoreError('late', `SUBSCRIBE, ${silenceMs} ms`);
      await withDeadline(runtime, silenceMs, listening, toError);
    } catch (error) {
      opened?.destroy();
      return fail(toRedisStoreError(error, 'unreachable'));
    }
    if (isClosed) return opened.destroy();
    connection = opened;
    failures = 0;
    options.onListening();
    opened.onClosed(() => fail(new RedisStoreError('lost')));
  };
  void start();

  return {
    async check() {
      const checked = connection;
      if (!checked) return;
      try {
        const toError = () => new RedisStoreError('late', `PING, ${silenceMs} ms`);
        await withDeadline(runtime, silenceMs, checked.send('', 'PING'), toError);
      } catch (error) {
        // a refusal is a sign of life too
        const { code } = error as RedisStoreError;
        if (code === 'late' || code === 'lost') checked.destroy();
      }
    },
    close() {
      isClosed = true;
      cancelRetry();
      connection?.destroy();
    },
  };
}
