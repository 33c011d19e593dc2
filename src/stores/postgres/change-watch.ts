import type { Runtime } from '../../runtime.ts';
import type { PostgresDatabase, PostgresWorkOptions } from './connection.ts';
import { keepListening } from './listening.ts';
import { createSleeper } from './sleeper.ts';
import { channelOf } from './steps.ts';

/** What can change. */
export type ChangeKind = 'keys' | 'config' | 'secrets';

/** What can be reported: changes, and hints, which only come by push. */
export type ToldKind = ChangeKind | 'hints';

/** How changes are detected. */
export interface ChangeWatchOptions {
  readonly database: PostgresDatabase;
  readonly schema: string;
  readonly runtime: Runtime;
  readonly listen: boolean;
  readonly pollMs: number;
  readonly heartbeatMs: number;
  readonly deadlineMs: number;
  readonly after: (() => Promise<unknown>) | undefined;
  /** Told of each change, and with `undefined` that anything may have changed. */
  readonly tell: (kind: ToldKind, id: string | undefined) => void;
  readonly isWatched: (kind: ChangeKind) => boolean;
}

/** A watch over all kinds of changes. */
export interface ChangeWatch {
  /** Whether it watches already, so that whoever joins misses nothing from now on. */
  readonly isReady: boolean;
  /** Looks now, unless notifications report changes anyway. */
  poke(): void;
  /** Resolves when its connection is closed and nothing is under way. */
  stop(): Promise<void>;
}

/** Every kind of change. */
export const changeKinds: readonly ChangeKind[] = ['keys', 'config', 'secrets'];

/** Changes told one by one; for more at once, it tells that anything may have changed. */
const maxTold = 1_000;

/**
 * Every change has a number, without gaps within its kind. A notification with the next number is told at once. One
 * that leaves a gap makes it look at the numbers in the database, as it does every `pollMs`. So push only speeds up
 * what polling guarantees. After a failed look, and whenever listening begins (again), it tells that anything may have
 * changed.
 */
export function startChangeWatch(options: ChangeWatchOptions): ChangeWatch {
  const { database, schema, runtime, pollMs, tell, isWatched } = options;
  const work: PostgresWorkOptions = { what: 'watch', deadlineMs: options.deadlineMs, after: options.after };
  const sleeper = createSleeper(runtime);
  let isWanted = true;
  /** Numbers up to which all was told; `undefined` while it is unknown what was missed. */
  let known: Map<string, number> | undefined;

  const onPayload = (payload: string): void => {
    const change = toChange(payload);
    if (!change || !isWanted) return;
    if ('hint' in change) {
      tell('hints', change.hint);
      return;
    }
    const { kind, stamp, id } = change;
    // it may be newer than what a look in progress finds
    const last = known?.get(kind) ?? 0;
    if (!known || (stamp > last && id === null) || stamp > last + 1) {
      sleeper.wake();
    } else if (stamp === last + 1 && id !== null) {
      known.set(kind, stamp);
      tell(kind, id);
    }
  };
  const readStamps = () =>
    database.run(work, async (session) => {
      const rows = await session.query(`SELECT kind, stamp::text AS stamp FROM ${schema}.stamps`);
      return new Map(rows.map(({ kind, stamp }) => [String(kind), Number(stamp)]));
    });
  const readIds = (kind: ChangeKind, last: number, stamp: number) =>
    database.run(work, async (session) => {
      const text = `SELECT id FROM ${schema}.changes
        WHERE kind = $1 AND stamp > $2::bigint AND stamp <= $3::bigint ORDER BY stamp`;
      return (await session.query(text, [kind, last, stamp])).map(({ id }) => String(id));
    });
  const look = async (): Promise<void> => {
    const state = known;
    const before = new Map(known);
    const now = await readStamps();
    if (!isWanted) return;
    if (!state || state !== known) {
      known = now;
      for (const kind of changeKinds) tell(kind, undefined);
      return;
    }
    for (const kind of changeKinds) {
      const stamp = now.get(kind) ?? 0;
      // a notification may have been faster than the look
      const last = state.get(kind) ?? 0;
      if (stamp < (before.get(kind) ?? 0)) {
        // the database was restored from a copy, or is a different one
        state.set(kind, stamp);
        tell(kind, undefined);
      } else if (stamp > last) {
        const isFew = isWatched(kind) && stamp - last <= maxTold;
        const ids = isFew ? await readIds(kind, last, stamp) : [];
        // reset while it read
        if (state !== known) return sleeper.wake();
        state.set(kind, Math.max(stamp, state.get(kind) ?? 0));
        const areAll = ids.length === stamp - last;
        for (const id of areAll ? ids : [undefined]) tell(kind, id);
      }
    }
  };
  const poll = async (): Promise<void> => {
    while (isWanted) {
      try {
        await look();
      } catch {
        known = undefined;
      }
      // jitter, so that nodes started together do not ask together
      if (isWanted) await sleeper.sleep(pollMs * (0.9 + runtime.random() / 5));
    }
  };
  const polling = poll();
  const listening = options.listen
    ? keepListening({
        ...options,
        channel: channelOf(schema),
        onPayload,
        onBegin() {
          // covers what happened before it listened
          known = undefined;
          sleeper.wake();
        },
        // a look shows at once whether more than this connection is lost
        onLost: sleeper.wake,
      })
    : undefined;
  return {
    get isReady() {
      return known !== undefined;
    },
    poke() {
      if (!listening?.works) sleeper.wake();
    },
    async stop() {
      isWanted = false;
      sleeper.wake();
      await Promise.all([polling, listening?.stop()]);
    },
  };
}

/** A hint as it is notified. */
export function toHintPayload(hint: string): string {
  return JSON.stringify({ hint });
}

type Change = { readonly kind: ChangeKind; readonly stamp: number; readonly id: string | null };

function toChange(payload: string): Change | { readonly hint: string } | undefined {
  try {
    const parsed = JSON.parse(payload) as {
      kind: ChangeKind;
      stamp: string;
      id: string | null;
      hint?: unknown;
    };
    const { kind, stamp, id, hint } = parsed;
    if (typeof hint === 'string') return { hint };
    return changeKinds.includes(kind) ? { kind, stamp: Number(stamp), id } : undefined;
  } catch {
    // anybody may notify on a channel
    return undefined;
  }
}
