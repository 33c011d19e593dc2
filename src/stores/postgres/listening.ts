import { type Notifications, type NotificationsOptions, openNotifications } from './notifications.ts';
import { createSleeper } from './sleeper.ts';

/** A listening connection that is reopened when it is lost. */
export interface Listening {
  /** Whether notifications arrive, as far as is known. */
  readonly works: boolean;
  /** Resolves when the connection is closed. */
  stop(): Promise<void>;
}

/** What is listened to, and how often it is tested. */
export interface ListeningOptions extends Omit<NotificationsOptions, 'signal'> {
  /** How often the connection is tested. */
  readonly heartbeatMs: number;
  /** Called whenever listening begins. */
  readonly onBegin: () => void;
}

/** First pause after a failure; each further one is twice as long, up to the longest. */
const firstRetryMs = 250;
const longestRetryMs = 60_000;

/** Listens as well as it can. If it cannot, no harm is done: polling goes on. */
export function keepListening(options: ListeningOptions): Listening {
  const { runtime, heartbeatMs, onBegin, onLost } = options;
  const sleeper = createSleeper(runtime);
  const ending = new AbortController();
  let isWanted = true;
  let current: Notifications | undefined;
  const drop = (): void => {
    current?.close();
    current = undefined;
  };
  const onEnd = (): void => {
    current = undefined;
    onLost();
    sleeper.wake();
  };
  const listen = async (): Promise<void> => {
    for (let retryMs = firstRetryMs; isWanted; retryMs = Math.min(retryMs * 2, longestRetryMs)) {
      try {
        current = await openNotifications({ ...options, signal: ending.signal, onLost: onEnd });
        // no connection to spare, now or later
        if (!current) return;
        retryMs = firstRetryMs;
        if (isWanted) onBegin();
        while (isWanted && current) {
          await sleeper.sleep(heartbeatMs);
          if (isWanted) await current?.check();
        }
      } catch {
        // what keeps it from listening shows in polling too, or does not matter
      }
      drop();
      if (isWanted) await sleeper.sleep(retryMs * (0.5 + runtime.random() / 2));
    }
  };
  const listening = listen();
  return {
    get works() {
      return current !== undefined;
    },
    async stop() {
      isWanted = false;
      ending.abort();
      drop();
      sleeper.wake();
      await listening;
    },
  };
}
