import type { Runtime } from '../../runtime.ts';
import type { PostgresClient } from './client.ts';
import type { HeldConnection, PostgresDatabase } from './connection.ts';
import { createDeadline, type Deadline } from './deadline.ts';
import type { PostgresSession } from './session.ts';

/** A listening connection that was found to work. */
export interface Notifications {
  /** Sends a notification over another connection and waits for it. Rejects when it does not arrive in time. */
  check(): Promise<void>;
  close(): void;
}

/** What is listened to. */
export interface NotificationsOptions {
  readonly database: PostgresDatabase;
  readonly channel: string;
  readonly runtime: Runtime;
  /** For connecting, and for each check. */
  readonly deadlineMs: number;
  /** Ends what is being waited for. */
  readonly signal: AbortSignal;
  readonly onPayload: (payload: string) => void;
  /** Called at most once, when the connection ends by itself. */
  readonly onLost: () => void;
}

interface Notification {
  readonly channel: string;
  readonly payload?: string;
}

/**
 * Listens on its own connection. An accepted LISTEN proves little: a pooler that shares connections by transaction
 * accepts it too and delivers nothing, and a network can fall silent. So it counts only once a notification sent over
 * another connection has arrived, now and at every `check`.
 *
 * @throws Error when it cannot listen
 */
export async function openNotifications(options: NotificationsOptions): Promise<Notifications | undefined> {
  const { database, channel, runtime, deadlineMs, signal, onPayload, onLost } = options;
  const held = await database.hold(deadlineMs);
  if (!held) return undefined;
  const { client } = held;
  const ownChannel = `headgate_${Buffer.from(runtime.randomBytes(8)).toString('hex')}`;
  let isOpen = true;
  // what comes earlier is covered by the look at the beginning
  let hasBegun = false;
  let heardOwn = () => {};
  const onNotification = (notification: unknown): void => {
    const { channel: from, payload = '' } = notification as Notification;
    if (from === ownChannel) heardOwn();
    else if (from === channel && isOpen && hasBegun) onPayload(payload);
  };
  const end = (isLost: boolean): void => {
    if (!isOpen) return;
    isOpen = false;
    held.close();
    client.removeListener('notification', onNotification);
    if (isLost) onLost();
  };
  // like the runtime's timers, it keeps no process alive
  client.unref?.();
  client.on('notification', onNotification);
  client.on('error', () => end(true));
  client.on('end', () => end(true));

  const within = async (act: (deadline: Deadline) => Promise<unknown>): Promise<void> => {
    const deadline = createDeadline(runtime, deadlineMs);
    const stop = () => deadline.expire();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      await act(deadline);
    } finally {
      signal.removeEventListener('abort', stop);
      deadline.cancel();
    }
  };
  const check = (): Promise<void> =>
    within(async (deadline) => {
      const heard = new Promise<void>((resolve) => {
        heardOwn = resolve;
      });
      const notify = (session: PostgresSession) => session.query("SELECT pg_notify($1, '')", [ownChannel]);
      await deadline.guard(database.run({ what: 'watch', deadlineMs }, notify));
      await deadline.guard(heard);
    });
  try {
    await within((deadline) => deadline.guard(client.query(`LISTEN ${channel}; LISTEN ${ownChannel}`)));
    await check();
    hasBegun = true;
  } catch (error) {
    await forget(client, held, runtime);
    end(false);
    throw error;
  }
  return { check, close: () => end(false) };
}

/** Behind a pooler the server's connection lives on, and would go on listening for nobody. */
async function forget(client: PostgresClient, held: HeldConnection, runtime: Runtime): Promise<void> {
  const deadline = createDeadline(runtime, 200);
  await deadline.guard(client.query('UNLISTEN *')).catch(() => held.close());
  deadline.cancel();
}
