import type { Runtime } from '../../runtime.ts';
import type { ChangeListener, Unwatch } from '../watch.ts';
import { parseStored, type RedisDatabase } from './database.ts';
import type { RedisStoreError } from './redis-error.ts';
import type { RedisSubscription, SubscriptionOptions } from './subscription.ts';

/** What can be watched; the word in the messages. `hints` only come by push, and are no change. */
export type ChangeKind = 'keys' | 'config' | 'secrets' | 'hints';

/** Reports changes: at once by pub/sub, and by a polled number in case a message was lost. */
export interface ChangeFeed {
  watch(kind: ChangeKind, listener: ChangeListener): Unwatch;
  close(): void;
}

/** What a feed needs. */
export interface ChangeFeedOptions {
  readonly database: RedisDatabase;
  readonly runtime: Runtime;
  readonly pollMs: number;
  readonly maxChanges: number;
  /** Told when changes are seen late because there is no subscription. */
  onWarning(message: string): void;
  /** Begins to subscribe. */
  subscribe(
    callbacks: Pick<SubscriptionOptions, 'onMessage' | 'onListening' | 'onFailure'>,
  ): RedisSubscription;
}

interface Entry {
  readonly kind: ChangeKind;
  readonly listener: ChangeListener;
}

interface Change {
  readonly stamp: number;
  readonly epoch: string;
  readonly kind: ChangeKind;
  readonly id: string;
}

/** How far changes are known. The epoch is the installation's; another one, or none, means that it was emptied. */
interface Position {
  readonly epoch: string | null;
  readonly stamp: number;
}

/**
 * Makes a feed; it connects with the first watch and disconnects with the last. Changes are numbered without gaps. On a
 * gap it reads the list of the last changes; if that does not reach back far enough, or Redis was unavailable for a
 * while, anything may have changed.
 */
export function createChangeFeed(options: ChangeFeedOptions): ChangeFeed {
  const { database, runtime, pollMs, maxChanges } = options;
  const { layout } = database;
  const listeners = new Set<Entry>();
  let subscription: RedisSubscription | undefined;
  let cancelPoll = () => {};
  /** Undefined before listening begins and when anything may have been missed. */
  let position: Position | undefined;
  let reading: Promise<void> | undefined;
  let mustReadAgain = false;
  let isClosed = false;

  const tellOne = (entry: Entry, id: string | undefined): void => {
    if (!listeners.has(entry)) return;
    try {
      entry.listener(id);
    } catch {
      // a listener's mistake must harm neither the others nor the feed
    }
  };
  const tell = (kind: ChangeKind | undefined, id: string | undefined): void => {
    for (const entry of [...listeners]) {
      if (kind === undefined || entry.kind === kind) tellOne(entry, id);
    }
  };

  const readChanges = async (from: Position, to: Position): Promise<Change[] | undefined> => {
    const count = to.stamp - from.stamp;
    if (!continues(from, to) || count < 0 || count > maxChanges) return undefined;
    if (count === 0) return [];
    // some may have been added since; they are read as well
    const entries = (await database.readMuch('LRANGE', layout.log, '0', String(maxChanges - 1))) as string[];
    const changes = entries
      .map((entry) => parseStored<Change>(entry, 'the list of changes'))
      .filter((change) => change.stamp > from.stamp && change.epoch === to.epoch)
      .reverse();
    const isWhole =
      changes.length >= count && changes.every(({ stamp }, at) => stamp === from.stamp + at + 1);
    return isWhole ? changes : undefined;
  };

  const read = async (): Promise<void> => {
    const from = position;
    const [epoch, stamp] = (await database.read('HMGET', layout.meta, 'epoch', 'stamp')) as (string | null)[];
    const to: Position = { epoch: epoch ?? null, stamp: Number(stamp ?? 0) };
    const changes = from && (await readChanges(from, to));
    // a subscription lost meanwhile has made the position unknown
    if (changes === undefined || position === undefined) {
      position = to;
      tell(undefined, undefined);
      return;
    }
    position = changes.at(-1) ?? to;
    for (const { kind, id } of changes) tell(kind, id);
  };

  /** Never rejects. One read at a time; a call while one runs gets one more, which begins later. */
  const catchUp = (): Promise<void> => {
    if (reading) {
      mustReadAgain = true;
      return reading;
    }
    const run = async (): Promise<void> => {
      do {
        mustReadAgain = false;
        try {
          await read();
        } catch {
          position = undefined;
        }
      } while (mustReadAgain && listeners.size > 0);
      reading = undefined;
    };
    reading = run();
    return reading;
  };

  const onMessage = (message: string): void => {
    const change = parseMessage(message);
    // not ours; if one of ours was lost, the numbers show it
    if (change === undefined) return;
    if ('hint' in change) {
      tell('hints', change.hint);
      return;
    }
    if (position && continues(position, change) && change.stamp <= position.stamp) return;
    if (reading || !position || !continues(position, change) || change.stamp !== position.stamp + 1) {
      void catchUp();
      return;
    }
    position = { epoch: change.epoch, stamp: change.stamp };
    tell(change.kind, change.id);
  };

  const poll = (): void => {
    cancelPoll = runtime.schedule(pollMs * (0.9 + runtime.random() / 5), async () => {
      poll();
      await Promise.all([catchUp(), subscription?.check()]);
    });
  };

  const start = (): void => {
    position = undefined;
    subscription = options.subscribe({
      onMessage,
      onListening() {
        position = undefined;
        void catchUp();
      },
      onFailure(error: RedisStoreError) {
        if (error.code === 'NOPERM') {
          options.onWarning(
            `The Redis user may not subscribe to ${layout.channel}: changes are seen up to ${pollMs} ms late.`,
          );
        }
        // until then polling finds what can be read
        if (!position) void catchUp();
      },
    });
    poll();
  };
  const stop = (): void => {
    cancelPoll();
    subscription?.close();
    subscription = undefined;
    position = undefined;
  };

  return {
    watch(kind, listener) {
      const entry = { kind, listener };
      if (isClosed) return async () => undefined;
      listeners.add(entry);
      if (listeners.size === 1) start();
      // while the position is unknown, it is told with the others once it is known
      else if (position) queueMicrotask(() => tellOne(entry, undefined));
      return async () => {
        if (listeners.delete(entry) && listeners.size === 0) stop();
      };
    },
    close() {
      isClosed = true;
      listeners.clear();
      stop();
    },
  };
}

/** Whether a position is of the same installation as an earlier one; before the first change it has no epoch. */
function continues(from: Position, to: Position): boolean {
  return from.epoch === null || from.epoch === to.epoch;
}

/** A message between nodes, not a change. */
interface Hint {
  readonly hint: string;
}

/** A hint as it is published. */
export function toHintMessage(hint: string): string {
  return JSON.stringify({ hint } satisfies Hint);
}

function parseMessage(message: string): Change | Hint | undefined {
  try {
    const change = JSON.parse(message) as Partial<Change & Hint> | null;
    if (typeof change?.hint === 'string') return { hint: change.hint };
    return Number.isSafeInteger(change?.stamp) && typeof change?.epoch === 'string'
      ? (change as Change)
      : undefined;
  } catch {
    return undefined;
  }
}
