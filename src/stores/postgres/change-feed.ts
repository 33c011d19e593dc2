import { type ChangeNotifier, createChangeNotifier } from '../change-notifier.ts';
import type { ChangeListener, Unwatch } from '../watch.ts';
import {
  type ChangeWatch,
  type ChangeWatchOptions,
  changeKinds,
  startChangeWatch,
  type ToldKind,
} from './change-watch.ts';

const toldKinds: readonly ToldKind[] = [...changeKinds, 'hints'];

/** Reports changes, whoever made them. Works only while somebody watches. */
export interface ChangeFeed {
  watch(kind: ToldKind, listener: ChangeListener): Unwatch;
  /** Something was changed here: look now, unless notifications report it anyway. */
  poke(): void;
  /** Ends all watches; resolves when nothing is under way. */
  close(): Promise<void>;
}

/** One watch over the database for all listeners of these stores. */
export function createChangeFeed(options: Omit<ChangeWatchOptions, 'tell' | 'isWatched'>): ChangeFeed {
  const notifiers: Record<ToldKind, ChangeNotifier> = {
    hints: createChangeNotifier(),
    keys: createChangeNotifier(),
    config: createChangeNotifier(),
    secrets: createChangeNotifier(),
  };
  let current: ChangeWatch | undefined;
  const endings = new Set<Promise<void>>();

  const start = (): ChangeWatch =>
    startChangeWatch({
      ...options,
      tell: (kind, id) => notifiers[kind].tell(id),
      isWatched: (kind) => notifiers[kind].size > 0,
    });
  const stopUnlessWatched = async (): Promise<void> => {
    if (current && toldKinds.every((kind) => notifiers[kind].size === 0)) {
      const ending = current.stop();
      current = undefined;
      endings.add(ending);
      void ending.finally(() => endings.delete(ending));
    }
    // the last to end resolves once the connection is closed
    if (!current) await Promise.all(endings);
  };
  return {
    watch(kind, listener) {
      // whoever joins a ready watch listens from now on; others are told by its first look
      const unwatch = notifiers[kind].watch(listener, current?.isReady === true);
      current ??= start();
      return async () => {
        await unwatch();
        await stopUnlessWatched();
      };
    },
    poke: () => current?.poke(),
    async close() {
      for (const kind of toldKinds) notifiers[kind].close();
      await stopUnlessWatched();
    },
  };
}
