import type { Runtime } from '../../runtime.ts';
import { createChangeNotifier } from '../change-notifier.ts';
import type { ChangeListener, Unwatch } from '../watch.ts';
import { watchDirectory } from './watch-directory.ts';

/** Content of files, kept in memory as long as their stamps stay the same. */
export interface FollowedSource<State> {
  readonly directory: string;
  /** Current stamp; costs next to nothing. */
  look(): Promise<string>;
  /**
   * Reads it. The stamp is from before the read. A `refusal` is content that cannot be used, and stays the same as long
   * as the stamp does. @throws Error when the content cannot be determined
   */
  load(known: State | undefined): Promise<Loaded<State>>;
  /** The ids of what differs, for the watchers. */
  compare(before: State, after: State): Iterable<string>;
}

/** What was found in a source. */
export type Loaded<State> =
  | { readonly stamp: string; readonly state: State }
  | { readonly stamp: string; readonly refusal: Error };

/** The source as this process sees it. */
export interface Followed<State> {
  /** The state at an instant after the call. */
  read(): Promise<State>;
  /** Takes over what this process has just written. */
  adopt(stamp: string, state: State): void;
  watch(listener: ChangeListener): Unwatch;
  /** Ends every watch; resolves when nothing is under way. */
  close(): Promise<void>;
}

/**
 * Reads a source only when it has changed. Concurrent reads share one look at the stamp, so a read costs at most one
 * `stat` and a flood of them two. While somebody watches, the directory is watched too, and checked every `pollMs`.
 */
export function createFollowed<State>(
  source: FollowedSource<State>,
  runtime: Runtime,
  pollMs: number,
): Followed<State> {
  let known: { readonly stamp: string; readonly state: State } | undefined;
  let adoptions = 0;
  let isFailing = false;
  let refused: { readonly stamp: string; readonly refusal: Error } | undefined;
  let flight: Promise<State> | undefined;
  let next: Promise<State> | undefined;
  let cancelPoll = () => {};
  let unwatchDirectory: (() => void) | undefined;

  const keep = (stamp: string, state: State): void => {
    const before = known;
    known = { stamp, state };
    if (isFailing) {
      isFailing = false;
      notifier.tell(undefined);
    } else if (before && before.state !== state && notifier.size > 0) {
      for (const id of source.compare(before.state, state)) notifier.tell(id);
    }
  };

  const look = async (): Promise<State> => {
    try {
      for (;;) {
        const adoptionsBefore = adoptions;
        const stamp = await source.look();
        if (known?.stamp === stamp && !isFailing) return known.state;
        if (refused?.stamp === stamp) throw refused.refusal;
        const loaded = await source.load(known?.state);
        // what this process has written meanwhile is newer than what was read
        if (adoptions !== adoptionsBefore) continue;
        if ('refusal' in loaded) {
          refused = loaded;
          throw loaded.refusal;
        }
        keep(loaded.stamp, loaded.state);
        return loaded.state;
      }
    } catch (error) {
      // the directory may be a different one when it is back: the next poll listens again
      if (!isFailing) deafen();
      isFailing = true;
      throw error;
    }
  };

  const fly = (): Promise<State> => {
    const current = look().finally(() => {
      if (flight === current) flight = undefined;
    });
    flight = current;
    return current;
  };

  const read = (): Promise<State> => {
    if (!flight) return fly();
    // the flight may have looked before this read began: only the next one will do
    next ??= flight.then(ignore, ignore).then(() => {
      next = undefined;
      return flight ?? fly();
    });
    return next;
  };

  const refresh = (): void => void read().catch(ignore);

  const deafen = (): void => {
    unwatchDirectory?.();
    unwatchDirectory = undefined;
  };

  const listen = (): void => {
    unwatchDirectory ??= watchDirectory(source.directory, refresh, () => {
      unwatchDirectory = undefined;
    });
  };

  const poll = (): void => {
    cancelPoll();
    if (notifier.size === 0) return;
    cancelPoll = runtime.schedule(pollMs, () => {
      // a system that reported no events so far (no directory yet, …) may do so now
      listen();
      read().then(poll, poll);
    });
  };

  const notifier = createChangeNotifier((size) => {
    if (size > 0) listen();
    else {
      deafen();
      cancelPoll();
    }
  });

  return {
    read,
    adopt(stamp, state) {
      adoptions++;
      keep(stamp, state);
    },
    watch(listener) {
      let hasBegun = false;
      let isOver = false;
      const unwatch = notifier.watch((id) => {
        // before its first call there is nothing it could have missed
        if (id !== undefined && !hasBegun) return;
        hasBegun = true;
        listener(id);
      }, false);
      const begin = (): void => {
        if (hasBegun || isOver) return;
        hasBegun = true;
        try {
          listener(undefined);
        } catch {
          // as in the notifier: a failing listener stops nothing
        }
      };
      // if this read fails, the call after the failure is its first
      read().then(begin, ignore);
      poll();
      return () => {
        isOver = true;
        return unwatch();
      };
    },
    async close() {
      notifier.close();
      while (next ?? flight) await (next ?? flight)?.catch(ignore);
    },
  };
}

function ignore(): void {}
